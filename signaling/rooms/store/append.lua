-- Takes Entries, each once, however often it is offered. Whatever
-- else may lie under a key is removed.
--
-- KEYS: log, ids, standing, life. ARGV: length of log, length of ids, ms to
-- live, a new life, channel, Node, the life that the Node knows or ""; of each
-- Entry: id, JSON, matter or "", At, what it pins or "". Returns the life. If the
-- Node knows another one it has taken nothing: what was lost comes first.
local kinds = {'stream', 'zset', 'hash', 'string'}
for i, kind in ipairs(kinds) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= kind and is ~= 'none' then redis.call('DEL', KEYS[i]) end
end
local life = redis.call('GET', KEYS[4])
if not life then
  life = ARGV[4]
  redis.call('SET', KEYS[4], life, 'PX', ARGV[3])
end
if ARGV[7] ~= '' and ARGV[7] ~= life then return life end
local new = false
for i = 8, #ARGV, 5 do
  local id, json, matter, at, pinned = ARGV[i], ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4]
  if not redis.call('ZSCORE', KEYS[2], id) then
    local place = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', json)
    redis.call('ZADD', KEYS[2], tonumber(string.match(place, '^%d+')), id)
    new = true
  end
  if matter ~= '' then
    local old = redis.call('HGET', KEYS[3], matter)
    local oldAt, oldID = string.match(old or '', '^(%d+) (%S+) ')
    oldAt = tonumber(oldAt)
    if not oldAt or oldAt < tonumber(at) or oldAt == tonumber(at) and oldID < id then
      redis.call('HSET', KEYS[3], matter, at .. ' ' .. id .. ' ' .. json)
      if pinned ~= '' then redis.call('HSET', KEYS[3], 'pinned', '0 - ' .. pinned) end
    end
  end
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[2]))
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
if new then redis.call('PUBLISH', ARGV[5], 'e' .. ARGV[6]) end
return life
