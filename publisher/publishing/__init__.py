"""Publishes due routes. This document says why it loses nothing and sends nothing twice.

# An attempt

    claim ──► encode ──► append ──► record ──► report

Claim: one statement leases up to `batch_size` due routes of a channel (storage.claiming.claims).
Encode: each route and its notification become a command. No server is asked.
Append: one script call writes many commands to the channel's stream (streams.outbound).
Record: one statement a kind of outcome writes how each attempt ended (storage.outcomes.recording).
Report: logs, counters, and the sums for whoever asked (report).

Two servers cannot change together, so the order decides what a crash leaves behind. The command stands on the stream
before PostgreSQL says so (R6). A crash at any line between the two leaves a route that is still due under a lease that
runs out, and a stream that knows its delivery. The next attempt finds the delivery and records it.

# The lease

    free ──claim──► leased ──record──► free, with an outcome
                      │  └──give back─► free, uncounted
                      └──runs out─────► free, one lease loss more

A lease is a token and an instant on the route's row. PostgreSQL's clock alone decides when it runs out (R5).
Each recording names the token, the status and the attempt count that were read. If any of them has changed, nothing is
written, and the outcome is a conflict (R8): someone else has moved the route on.
A route that was not begun is given back and counts nothing. A route whose worker died counts a lease loss. The more it
has lost, the fewer other routes are claimed beside it, and after five in a row it becomes a dead letter (R5a).

# Handing over

A new route is due at once, and intake sends a message about it. So intake inserts the route already leased, under a
token that the message names, and the worker that gets the message reads the route where it would claim it: a row
version and a commit less (storage.claiming.handover).

    intake: insert, leased ──message──► worker: read ──► encode ──► append ──► record
                │
                └──the message is lost, or waits too long──► the handover runs out, uncounted: any claim takes the route

A handover lasts a scan interval. A worker uses what is left of it as it uses a lease, and claims the routes if that is
less than half. Where a queue is long or a gate closed, nothing is handed over. An attempt that outlasts its handover is
the case of a paused worker: see below.

# How far a lease is trusted

A worker may be paused at any line, for longer than its lease. It measures the lease on its own monotonic clock, from
before the claim, and begins no step later than its part of the lease allows (domain.timeouts):

    0          1/4              parts of the lease              1
    ├─encode───┼───append begins, further calls───┼───record────┤

A worker that was paused just before its append still appends late. The stream answers for that case: see below.

# The witness, the tombstone and the deduplication window

The script that appends a command also sets its witness: a key named after the delivery that holds the command's entry
id, and lives for the deduplication window (R12). An append that finds a witness writes nothing and returns that entry.
So a delivery is written once, however many attempts there are within the window.
A route that ends without a command, because its deadline has passed, it was cancelled or given up, has a tombstone in
the place of the witness (tombstones). A late append finds the tombstone and writes nothing.
A route keeps the name of the stream of its first attempt. If the channel's stream was renamed since, the witness is
looked for on the old stream first, and a tombstone is left there with the instant of the move (earlier_streams): a late
append to the old stream finds it. A process of before may take the route back: its append passes the tombstone, since
its own move is later.

# The rate limit

A channel may have a rate limit (R30). Its token bucket stands beside the stream, and the append script takes a token
for each command that it writes: that alone holds the limit. A worker asks the bucket how much it may hope for before it
claims (limiter), claims no more, and reports how long to wait for the rest. A route that finds no token all the same is
given back uncounted.

# The loss audit

Redis may lose commands that it had taken. Its witnesses are lost with them. The audit walks over the routes that were
published since the last completed audit, a window more, and looks for each one's witness. A route without a witness,
and without its command, is pending again (loss_audit, R12a).

# The claim cursor

Index entries of published routes stay until PostgreSQL vacuums the table. A claim that begins at the oldest entry walks
over all of them. So a process that drains a channel begins each claim behind its last one, and now and then at the
beginning again, where routes stand whose lease was given back or ran out (claim_cursor).

# The claim by shares

    plain claim ──a rate limit, a hold, or a route in a lane of its own──► by shares: groups ► share out ► claim
    by shares ──none of them any more──► plain claim

The plain claim takes what is due longest. Where something has to be passed over or shared out, it takes nothing and
says so. Then the groups of due routes are found, by lane, producer and type, and what the claim may take is shared out
over them: over the lanes by weight, over the producers of a lane equally (sharing, R29, R31). Each way to claim asks
the table of holds in the statement that leases: so a hold is in force with the claim that begins next, everywhere.

# The circuit breaker

    closed ──some batches in a row refused, or the stream at its ceiling──► open: the channel is parked
    open ──the time of the next probe──► half-open: one small batch is tried
    half-open ──the channel takes a command──► closed
    half-open ──it refuses──► open, with the next probe later

A channel that refuses everything costs its routes no attempts (circuit_breaker, R13).
"""
