-- Tells who is on a Node, and forgets Nodes that are silent.
--
-- KEYS: people, seen, then what is to live on. ARGV: Node, Remote, number of
-- people, ms of silence, ms to live, channel.
for i, kind in ipairs({'hash', 'zset'}) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= kind and is ~= 'none' then redis.call('DEL', KEYS[i]) end
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if tonumber(ARGV[3]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], now, ARGV[1])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[4])) do
  redis.call('HDEL', KEYS[1], node)
  redis.call('ZREM', KEYS[2], node)
end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], 2 * ARGV[4]) end
for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
redis.call('PUBLISH', ARGV[6], 'p' .. ARGV[2])
return 1
