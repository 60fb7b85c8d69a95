#pragma once
/* Evidence: what a reaper may believe about workers that seem to be dead. Pure; time is given.
 *
 *   contact    a lease that lapsed says that a worker died only if Postgres was there all along and
 *              its clock went evenly: else the worker could not have renewed it
 *   suspects   a lock that is free says so only when it stays free, and longer when many are
 *
 * Wrongly declared dead, a worker loses nothing that was written, but its runs count a crash each
 * and repeat what was under way.
 */

#include "shared/base/compiler.h"

/* This scheduler's connection with Postgres, and how far the server's clock is ahead of ours. */
struct contact {
    bool known;
    int64_t since_ms; /* unbroken since then */
    int64_t last_ms;
    int64_t ahead_ms;
    uint64_t reconnects;
};

/* A statement failed. */
void contact_lost(struct contact *contact);

/* A statement sent at sent_ms and answered by now_ms (clock_ms) saw the server's clock at
 * server_ms; the driver had connected anew that many times. */
void contact_note(struct contact *contact, int64_t now_ms, int64_t server_ms, uint64_t reconnects);

/* Until which time of the server's clock a statement sent now may take lapsed leases for deaths. 0:
 * not at all, since contact is too young (CONTACT_MIN_MS). */
int64_t contact_judge_until(const struct contact *contact, int64_t now_ms);

#define CONTACT_MIN_MS  5000 /* workers try again every 300 ms, for 3 s each */
#define CONTACT_GAP_MS  3000 /* a longer silence is a break */
#define CONTACT_JUMP_MS 2000 /* so is a jump of a clock */

/* Workers whose lock was seen free.
 *
 * Many at once are rather cut off than dead. "At once" has a memory: who came back within the last
 * seconds counts (whatever cut those off may have cut off the rest), and who was once seen free
 * among many keeps the longer patience. */
#define SUSPECTS_MAX     256
#define SUSPECT_FEW_MS   500  /* a worker that lives has its lock again by then */
#define SUSPECT_MANY_MS  5000 /* many at once: it may be what lies between them and Postgres */
#define SUSPECTS_LOOK_MS 2000 /* looks further apart than that do not add up */

struct suspect {
    int64_t worker;
    int64_t since_ms;
    bool among_many;
};

struct suspects {
    struct suspect items[SUSPECTS_MAX];
    size_t count;
    int64_t looked_ms;
};

/* What was seen does not count any more (the connection broke). */
void suspects_forget(struct suspects *suspects);

/* What one look saw. */
struct locks_sight {
    const int64_t *free; /* workers with a free lock */
    size_t free_count;
    int64_t back;  /* others who came back within the last SUSPECT_MANY_MS */
    int64_t alive; /* all who are not declared dead */
};

/* One look, at now_ms. Writes those that are believed to be dead (free long enough) to out_dead,
 * which has room for SUSPECTS_MAX, and returns how many. */
size_t suspects_look(struct suspects *suspects, const struct locks_sight *sight, int64_t now_ms,
                     int64_t *out_dead);

/* When to look again: at the moment that the first suspicion may be confirmed, or in usual_ms. */
int64_t suspects_wait_ms(const struct suspects *suspects, int64_t now_ms, int64_t usual_ms);

/* The same for leases: at the moment that the first of them lapses, lapse_ms from now (< 0: it did,
 * and was judged), or in usual_ms. */
int64_t lapse_wait_ms(int64_t lapse_ms, int64_t usual_ms);
