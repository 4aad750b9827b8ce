-- Writes a record unless a live one is there; answers whether it did.
-- KEYS: the record. ARGV: now, body, seconds it is kept, expiry, owner after a `=`, until when the owner's set has it,
-- version, `over` to write over a live one too. What is not there is the empty text.
local found = redis.call('HMGET', KEYS[1], 'v', 'e')
local is_live = found[1] and not (found[2] and tonumber(found[2]) <= tonumber(ARGV[1]))
if is_live and ARGV[8] == '' then
  return 0
end
-- A full memory refuses this one. After a first write nothing more would be refused.
redis.call('HSET', KEYS[1], 'v', ARGV[7], 'b', ARGV[2])
redis.call('HDEL', KEYS[1], 'e', 'o', 'i')
if ARGV[4] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'e', ARGV[4])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'o', string.sub(ARGV[5], 2), 'i', ARGV[6])
end
return 1
