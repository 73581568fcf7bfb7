-- The head against the last link.
select null::bigint, own.*
  from (select count(*) filter (where only_row) as rows, max(number) as number, max(encode(hash, 'hex')) as hash,
               max(newest_run_id) as newest_run_id
          from meterfold.chain_head) head
 cross join (select coalesce(max(number), 0) as number, coalesce(max(run_id), 0) as newest_run_id,
                    encode(coalesce((select hash from meterfold.chain order by number desc limit 1),
                                    decode(repeat('00', 32), 'hex')), 'hex') as hash
               from meterfold.chain) chain
 cross join lateral (values
       ('rows', '1', head.rows::text),
       ('number', chain.number::text, head.number::text),
       ('hash', chain.hash, head.hash),
       ('newest_run_id', chain.newest_run_id::text, head.newest_run_id::text)) own
