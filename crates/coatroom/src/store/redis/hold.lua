-- Puts a record into its owner's set, for at least so many seconds. The set is as old as its oldest entry, by the clock of
-- its server alone, so that nobody else's clock can take out what lives.
-- KEYS: the set. ARGV: the record's key, seconds or the empty text for ever.
-- A full memory refuses the entry. After a first write nothing more would be refused.
local now = tonumber(redis.call('TIME')[1])
if ARGV[2] == '' then
  redis.call('ZADD', KEYS[1], '+inf', ARGV[1])
else
  redis.call('ZADD', KEYS[1], 'GT', now + tonumber(ARGV[2]), ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('EXPIREAT', KEYS[1], string.format('%.0f', tonumber(last) + 1))
end
return 1
