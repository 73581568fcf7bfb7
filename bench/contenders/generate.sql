-- The log that all contenders bill: $1 calls of $2 users. The number of a call's user is $2 × (uniform draw)^3.
insert into public.api_logs (user_id, endpoint, method, status, usage, called_at)
select 'user-' || lpad((floor($2::int * power(random(), 3)))::int::text, 7, '0'),
       '/v1/' || (array['search', 'chat', 'embed', 'files', 'images'])[1 + floor(random() * 5)::int],
       'POST', 200, 1 + floor(random() * 100)::int, timestamptz '2026-10-01' + g * interval '25 ms'
  from generate_series(1, $1::bigint) g
