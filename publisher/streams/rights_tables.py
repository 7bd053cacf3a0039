"""The commands that the service needs of its Redis user, each with who runs it and for what purpose.

A new command or key in the code is a new line here. Redis' ACLs check the commands of a script one by one, so each has
its own line, beside the EVALSHA of the script.
"""

# With each connection.
CONNECTION = (
    ("CLIENT SETNAME publisher", "every connection has a name"),
    ("SCRIPT LOAD return", "a script that Redis has forgotten"),
    ("MULTI", "a scan that someone waits for; doctor tries rights"),
    ("EXEC", "a scan that someone waits for"),
    ("DISCARD", "doctor tries rights"),
    ("TIME", "ages by Redis' own clock; bucket.lua"),
    ("SET {doctor} 1 PX 1", "doctor writes"),
)

# On a server that is in no cluster. The command stands in small letters, so that no one takes it for SQL.
DATABASE = (("select 0", "the database number of the URL"),)

# In a Redis Cluster.
CLUSTER = (("CLUSTER SLOTS", "which node has the slot of a stream"),)

# {intents}: the intents stream, {group}: its consumer group.
INTENTS = (
    ("XGROUP CREATE {intents} {group} 0 MKSTREAM", "intake makes stream and group"),
    ("XREADGROUP GROUP {group} c STREAMS {intents} >", "intake reads"),
    ("XREAD COUNT 1 STREAMS {intents} 0-0", "intake waits"),
    ("EVALSHA {no_script} 2 {intents} {losses}", "gap.lua"),
    ("XINFO STREAM {intents}", "gap.lua, trace"),
    ("XGROUP SETID {intents} {group} 0-0", "gap.lua"),
    ("RPUSH {losses} 1", "gap.lua, intake"),
    ("PEXPIRE {losses} 1", "gap.lua, intake"),
    ("LRANGE {losses} 0 -1", "intake records losses"),
    ("LREM {losses} 1 1", "intake records losses"),
    ("GET {mark}", "intake looks whether PostgreSQL went back"),
    ("SET {mark} 0-0 EX 1", "intake marks how far intents are committed"),
    ("XREVRANGE {intents} + - COUNT 1", "intake marks how far intents are committed"),
    ("XPENDING {intents} {group}", "intake recovers and marks, trimming, status, trace, doctor"),
    ("XRANGE {intents} - +", "intake recovers, status, trace, doctor"),
    ("XCLAIM {intents} {group} c 0 0-0 JUSTID", "hold.lua, give_back.lua, take_over.lua"),
    ("XACK {intents} {group} 0-0", "acknowledge.lua, give_back.lua, take_over.lua"),
    (
        "EVALSHA {no_script} 1 {intents}",
        (
            "acknowledge.lua, hold.lua, give_back.lua, take_over.lua, leave.lua, remove_stale.lua, trim.lua,"
            " count_page.lua"
        ),
    ),
    ("XINFO GROUPS {intents}", "trimming, status, trace, doctor"),
    ("XINFO CONSUMERS {intents} {group}", "remove_stale.lua, status, doctor"),
    ("XGROUP DELCONSUMER {intents} {group} c", "leave.lua, remove_stale.lua"),
    ("EXISTS {intents}", "trim.lua, gap.lua"),
    ("XTRIM {intents} MINID 0", "trim.lua"),
    ("XLEN {intents}", "status"),
    ("XADD {intents} * a b", "intents send, malformed resubmit"),
    ("TYPE {intents}", "doctor"),
)

# {events}: the stream of delivery events, {events_group}: its consumer group.
EVENTS = (
    ("XGROUP CREATE {events} {events_group} 0 MKSTREAM", "intake makes stream and group"),
    ("XREADGROUP GROUP {events_group} c STREAMS {events} >", "intake reads"),
    ("XPENDING {events} {events_group}", "intake recovers, trimming, doctor"),
    ("XRANGE {events} - +", "intake recovers, doctor"),
    ("XCLAIM {events} {events_group} c 0 0-0 JUSTID", "hold.lua, give_back.lua, take_over.lua"),
    ("XACK {events} {events_group} 0-0", "acknowledge.lua, give_back.lua, take_over.lua"),
    (
        "EVALSHA {no_script} 1 {events}",
        "acknowledge.lua, hold.lua, give_back.lua, take_over.lua, leave.lua, remove_stale.lua, trim.lua",
    ),
    ("XINFO GROUPS {events}", "trimming, doctor"),
    ("XINFO CONSUMERS {events} {events_group}", "remove_stale.lua, doctor"),
    ("XGROUP DELCONSUMER {events} {events_group} c", "leave.lua, remove_stale.lua"),
    ("EXISTS {events}", "trim.lua"),
    ("XTRIM {events} MINID 0", "trim.lua"),
    ("XLEN {events}", "doctor"),
    ("XADD {events} * a b", "malformed resubmit"),
    ("TYPE {events}", "doctor"),
)

# {mail}: the email stream, {mail_group}: the consumer group of this service's own mailers.
MAIL = (
    ("XGROUP CREATE {mail} {mail_group} 0 MKSTREAM", "a mailer makes stream and group"),
    ("XREADGROUP GROUP {mail_group} c STREAMS {mail} >", "a mailer reads"),
    ("XLEN {mail}", "a mailer tells what a new group finds"),
    ("XPENDING {mail} {mail_group}", "a mailer recovers"),
    ("XRANGE {mail} - +", "a mailer recovers"),
    ("XCLAIM {mail} {mail_group} c 0 0-0 JUSTID", "hold.lua, give_back.lua, take_over.lua"),
    ("XACK {mail} {mail_group} 0-0", "acknowledge.lua, give_back.lua, take_over.lua"),
    (
        "EVALSHA {no_script} 1 {mail}",
        "acknowledge.lua, hold.lua, give_back.lua, take_over.lua, leave.lua, remove_stale.lua",
    ),
    ("XINFO CONSUMERS {mail} {mail_group}", "remove_stale.lua"),
    ("XGROUP DELCONSUMER {mail} {mail_group} c", "leave.lua, remove_stale.lua"),
)

# For each channel. {stream}: its stream, {witness}: the key that says a delivery stands there,
# {unread}: what was counted of its groups, {limit}: the bucket of its rate limit.
CHANNEL = (
    (
        "EVALSHA {no_script} 4 {stream} {unread} {limit} {witness}",
        "append_once.lua, trim.lua, count_page.lua, hope.lua",
    ),
    ("XADD {stream} * a b", "append_once.lua"),
    ("XDEL {stream} 0-0", "append_once.lua"),
    ("XLEN {stream}", "append_once.lua"),
    ("XINFO GROUPS {stream}", "append_once.lua, trim.lua, status, trace, doctor"),
    ("XINFO CONSUMERS {stream} group", "status, doctor"),
    ("XINFO STREAM {stream}", "trace"),
    ("XRANGE {stream} - +", "append_once.lua, count_page.lua, status, trace, doctor"),
    ("XPENDING {stream} group", "trim.lua, status, trace, doctor"),
    ("EXISTS {stream}", "trim.lua"),
    ("XTRIM {stream} MINID 0", "trim.lua"),
    ("HGET {unread} group", "append_once.lua"),
    ("HSET {unread} group 1", "commands of a group are counted"),
    ("DEL {unread}", "commands of a group are counted"),
    ("PEXPIRE {unread} 1", "commands of a group are counted"),
    ("HMGET {limit} tokens", "bucket.lua"),
    ("HSET {limit} tokens 1", "bucket.lua"),
    ("PEXPIRE {limit} 1", "bucket.lua"),
    ("TYPE {stream}", "doctor"),
    ("GET {witness}", "append_once.lua"),
    ("SET {witness} 0-0 PX 1", "append_once.lua"),
    ("PEXPIRE {witness} 1", "append_once.lua, end_once.lua"),
    ("HMGET {witness} ended", "append_once.lua, end_once.lua"),
    ("HSET {witness} ended 1", "end_once.lua"),
    ("MGET {witness}", "the loss audit"),
)

# Of each Redis that has commands; in a cluster, of each of their slots. {identity}: its random text.
LOSS_AUDIT = (
    ("SET {identity} 1 NX", "the loss audit"),
    ("GET {identity}", "the loss audit"),
)

# For each channel, on the Redis of REDIS_URL: these may be lost.
MUTEXES = (
    ("SET {retention} 1 PX 1 NX", "one process trims for all"),
    ("SET {next_look} 1 PX 1 NX", "one scan is sent for a channel that waits for its limit"),
    ("SET {audit} 1 PX 1 NX", "one process looks whether an audit is due"),
    ("SET {scan} 1 PX 1 NX", "scans say that they run"),
    ("SET {look_back} 1 PX 1 NX", "one process looks back for all"),
)

# {queue}: `dramatiq:` and the channel. Delayed messages have the same keys under `.DQ`, which holds no dead ones.
QUEUE = (
    ("LPUSH {queue}.wake 1", "a message wakes a worker"),
    ("LTRIM {queue}.wake 0 1", "a message wakes a worker"),
    ("PEXPIRE {queue}.wake 1", "a message wakes a worker"),
    ("BLPOP {queue}.wake 1", "a worker sleeps"),
    ("RPUSH {queue} 1", "Dramatiq's queue"),
    ("LPUSH {queue} 1", "enqueue.lua: an urgent message goes first"),
    ("LPOP {queue}", "Dramatiq's queue"),
    ("LLEN {queue}", "a worker looks; status"),
    ("HSET {queue}.msgs 1 1", "Dramatiq's messages"),
    ("HGET {queue}.msgs 1", "Dramatiq's messages"),
    ("HMGET {queue}.msgs 1", "Dramatiq's messages"),
    ("HEXISTS {queue}.msgs 1", "Dramatiq's messages"),
    ("HDEL {queue}.msgs 1", "Dramatiq's messages"),
    ("ZADD {queue}.XQ 1 1", "Dramatiq's dead letters"),
    ("ZRANGEBYSCORE {queue}.XQ 0 1", "dead_workers.lua"),
    ("ZREM {queue}.XQ 1", "dead_workers.lua"),
    ("ZCARD {queue}.XQ", "status"),
    ("HSET {queue}.XQ.msgs 1 1", "Dramatiq's dead letters"),
    ("HDEL {queue}.XQ.msgs 1", "Dramatiq's dead letters"),
    ("SADD {acks} 1", "messages that are being worked on"),
    ("SREM {acks} 1", "messages that are being worked on"),
    ("SPOP {acks}", "dead_workers.lua"),
    ("EXISTS {acks}", "dead_workers.lua"),
)

# On the Redis of REDIS_URL.
SERVICE = (
    ("EVALSHA {no_script} 1 {dramatiq}", "Dramatiq's dispatch, enqueue.lua, dead_workers.lua"),
    ("ZADD {heartbeats} 1 1", "Dramatiq's workers"),
    ("ZRANGEBYSCORE {heartbeats} 0 1", "dead_workers.lua"),
    ("ZREM {heartbeats} 1", "dead_workers.lua"),
    ("SADD {queues} 1", "dead_workers.lua"),
    ("SMEMBERS {queues}", "dead_workers.lua"),
    ("EVALSHA {no_script} 1 {processes}", "heartbeats"),
    ("HSET {processes} 1 1", "heartbeats"),
    ("PEXPIRE {processes} 1", "heartbeats"),
    ("HDEL {processes} 1", "heartbeats"),
    ("HGETALL {processes}", "status, doctor"),
    ("SET {retention} 1 PX 1 NX", "one process prunes for all"),
    ("HSET {named} 1 1", "workers note the streams of their settings"),
    ("PEXPIRE {named} 1", "workers note the streams of their settings"),
    ("HGETALL {named}", "a worker looks at streams that were given up; doctor"),
    ("HDEL {named} 1", "a worker looks at streams that were given up"),
    ("SET {given_up} 1 PX 1", "a worker looks at streams that were given up"),
    ("GET {given_up}", "status"),
    ("HINCRBY {scan_run} open 1", "a scan that someone waits for"),
    ("EXPIRE {scan_run} 1", "a scan that someone waits for"),
    ("HGETALL {scan_run}", "a scan that someone waits for"),
    ("GET {slot}", "every process asks whether it is one shard of several"),
)

# Not needed for the work. Without them some checks of doctor are unknown.
HELPFUL = (("INFO", "doctor: persistence, eviction, memory; the loss audit where it is allowed"),)
