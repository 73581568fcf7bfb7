-- Each link against the previous one. A run has each event once.
select link.run_id, own.*
  from (select link.*,
               lag(number, 1, 0::bigint) over (order by number) as previous_number,
               lag(hash, 1, decode(repeat('00', 32), 'hex')) over (order by number) as previous_hash,
               row_number() over (partition by run_id, event order by number) as times
          from meterfold.chain link) link
 cross join lateral (values
       ('number', (link.previous_number + 1)::text, link.number::text),
       ('hash',
        encode(sha256(link.previous_hash
                        || convert_to(concat_ws(' ', link.number, link.event, link.run_id, link.digest), 'UTF8')), 'hex'),
        encode(link.hash, 'hex')),
       ('event', case link.times when 1 then link.event else link.event || ' once' end, link.event)) own
