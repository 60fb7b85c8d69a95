/* The state of Redis as the queue sees it.
 *
 * A failure of any call may show a state, a success of most shows nothing: a Redis that is out of
 * memory or a replica still lets hints be read. So only the probe, which needs all that hinting
 * needs, says that Redis serves.
 */

#include "shared/queue/queue_internal.h"

static struct redis_script probe_script = {
    "queue probe",
    /* KEYS: a stream of its own, of one entry. As dispatching: a read, then an XADD. */
    "redis.call('XLEN', KEYS[1])\n"
    "redis.call('XADD', KEYS[1], 'MAXLEN', '1', '*', 'probe', '1')\n"
    "return 1\n",
    ""};

enum redis_state queue_state(const struct queue *queue)
{
    if (queue->state == REDIS_SERVES && !redis_is_ready(queue->redis))
        return REDIS_AWAY;
    return queue->state;
}

bool queue_serves(const struct queue *queue)
{
    return queue_state(queue) == REDIS_SERVES;
}

const char *queue_complaint(const struct queue *queue)
{
    return queue->state == REDIS_SERVES ? "" : queue->complaint.text;
}

int queue_note(struct queue *queue, int r, const struct error *err)
{
    enum redis_state state;

    if (r >= 0 || !err)
        return r;
    state = redis_state_of(r, err->text);
    if (state == REDIS_SERVES)
        return r;
    /* A slow one whose connection is given up is slow still. */
    if (r == -E_AMBIGUOUS && queue->state == REDIS_SLOW)
        return r;
    queue->state = state;
    queue->complaint = *err;
    return r;
}

int queue_probe(struct queue *queue, struct error *err)
{
    const struct text key = TEXT("q:{s00}:probe");
    struct error own = {0};
    int r = redis_script(queue->redis, &probe_script, &key, 1, NULL, 0, NULL, &own);

    queue_note(queue, r, &own);
    if (r == 0)
        queue->state = REDIS_SERVES;
    if (r < 0 && err)
        *err = own;
    return r;
}
