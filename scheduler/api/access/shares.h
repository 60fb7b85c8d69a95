#pragma once
/* What each tenant may hold of the API's memory at once, so that one who asks for much waits for
 * himself and not the others for him. Entries live as long as somebody uses them. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"
#include "shared/fiber/budget.h"

#define SHARE_BODY_BYTES  ((size_t)32 << 20) /* of bodies that are being read or worked on */
#define SHARE_LARGE_BYTES ((size_t)32 << 20) /* of large things asked for and not yet sent */
#define SHARE_SMALL_BYTES ((size_t)16 << 20) /* of small ones */
#define SHARE_FILES_BYTES ((size_t)32 << 20) /* of files that are sent or fetched */
#define SHARE_READERS     1                  /* threads that read its large bodies */

struct share {
    struct list bucket;
    struct uuid tenant;
    size_t users;
    struct budget bodies;
    /* Two, since a budget is given in the order of arrival: polls would wait behind a page that
     * waits for room. */
    struct budget large;
    struct budget small;
    struct budget files; /* which may take minutes */
    /* One, of two threads: bodies that take long to be checked hold up their own tenant's. */
    struct budget readers;
    size_t waiters;       /* requests that wait for the end of a run */
    size_t event_readers; /* of runs */
};

struct shares;

struct shares *shares_new(void);
void shares_free(struct shares *shares); /* accepts NULL; nobody may use one any more */

/* The tenant's share, until it is released. */
struct share *share_acquire(struct shares *shares, struct uuid tenant);
void share_release(struct share *share);
