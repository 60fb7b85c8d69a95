/* Evidence for the death of workers. Both halves forget rather than guess: whatever breaks the
 * chain of looks begins a new one, which costs a second or five. */

#include "scheduler/reap/evidence.h"

#include <stdlib.h>

#define MANY         2 /* up to so many are few, whatever their share */
#define MANY_PERCENT 30

#define LAPSE_AFTER_MS 2 /* so that it is over, however times were rounded */

void contact_lost(struct contact *contact)
{
    contact->known = false;
}

void contact_note(struct contact *contact, int64_t now_ms, int64_t server_ms, uint64_t reconnects)
{
    int64_t ahead_ms = server_ms - now_ms;
    bool unbroken = contact->known && contact->reconnects == reconnects &&
                    now_ms - contact->last_ms <= CONTACT_GAP_MS &&
                    llabs(ahead_ms - contact->ahead_ms) <= CONTACT_JUMP_MS;

    if (!unbroken)
        contact->since_ms = now_ms;
    contact->known = true;
    contact->last_ms = now_ms;
    contact->ahead_ms = ahead_ms;
    contact->reconnects = reconnects;
}

int64_t contact_judge_until(const struct contact *contact, int64_t now_ms)
{
    if (!contact->known || now_ms - contact->last_ms > CONTACT_GAP_MS ||
        now_ms - contact->since_ms < CONTACT_MIN_MS)
        return 0;
    return now_ms + contact->ahead_ms + CONTACT_JUMP_MS;
}

void suspects_forget(struct suspects *suspects)
{
    suspects->count = 0;
}

static struct suspect before(const struct suspects *suspects, int64_t worker, int64_t now_ms)
{
    for (size_t i = 0; i < suspects->count; i++)
        if (suspects->items[i].worker == worker)
            return suspects->items[i];
    return (struct suspect){.worker = worker, .since_ms = now_ms};
}

size_t suspects_look(struct suspects *suspects, const struct locks_sight *sight, int64_t now_ms,
                     int64_t *out_dead)
{
    int64_t shaken = (int64_t)sight->free_count + sight->back;
    bool many = shaken > MANY && shaken * 100 > sight->alive * MANY_PERCENT;
    struct suspects next = {.looked_ms = now_ms};
    size_t dead = 0;

    if (now_ms - suspects->looked_ms > SUSPECTS_LOOK_MS)
        suspects_forget(suspects);
    for (size_t i = 0; i < sight->free_count && next.count < SUSPECTS_MAX; i++) {
        struct suspect one = before(suspects, sight->free[i], now_ms);

        one.among_many = one.among_many || many;
        next.items[next.count++] = one;
        if (now_ms - one.since_ms >= (one.among_many ? SUSPECT_MANY_MS : SUSPECT_FEW_MS))
            out_dead[dead++] = one.worker;
    }
    *suspects = next;
    return dead;
}

int64_t suspects_wait_ms(const struct suspects *suspects, int64_t now_ms, int64_t usual_ms)
{
    int64_t wait_ms = usual_ms;

    for (size_t i = 0; i < suspects->count; i++) {
        int64_t left_ms = suspects->items[i].since_ms + SUSPECT_FEW_MS - now_ms;

        if (left_ms > 0 && left_ms < wait_ms)
            wait_ms = left_ms;
    }
    return wait_ms;
}

int64_t lapse_wait_ms(int64_t lapse_ms, int64_t usual_ms)
{
    if (lapse_ms < 0 || lapse_ms >= usual_ms)
        return usual_ms;
    return lapse_ms + LAPSE_AFTER_MS < usual_ms ? lapse_ms + LAPSE_AFTER_MS : usual_ms;
}
