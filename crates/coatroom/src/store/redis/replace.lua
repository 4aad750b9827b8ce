-- Replaces a live record of the version that was seen. Answers 0 when there is none, 1 when it is done, and the owner when
-- the owner's set must hold the record for longer first.
-- KEYS: the record. ARGV: now, body, seconds it is kept, expiry, the version, until when the owner's set has it by now.
-- What is not there is the empty text; `inf` is for ever.
local found = redis.call('HMGET', KEYS[1], 'v', 'e', 'o', 'i')
if found[1] ~= ARGV[5] or (found[2] and tonumber(found[2]) <= tonumber(ARGV[1])) then
  return 0
end
if found[3] then
  local holds = found[4]
  if ARGV[6] ~= '' then
    holds = ARGV[6]
  end
  if holds ~= 'inf' and (ARGV[4] == '' or tonumber(ARGV[4]) > tonumber(holds)) then
    return found[3]
  end
  redis.call('HSET', KEYS[1], 'i', holds)
end
redis.call('HSET', KEYS[1], 'b', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'v', 1)
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], 'e')
  redis.call('PERSIST', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'e', ARGV[4])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return 1
