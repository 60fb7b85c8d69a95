#pragma once
/* Tickets: what a page connects with, since it can't keep an API key, nor send one in a header. A
 * server asks for one in the name of its key and hands it to the page. It is good once, for
 * TICKET_MS, and for one thread where it names one; and no longer than its key. The database holds
 * its SHA-256. Those that nobody used are swept (fleet/reaper.h).
 */

#include "shared/store/access/tenants.h"

#define TICKET_MS        30000
#define TICKET_TEXT_SIZE 44 /* 43 characters of base64url, and the zero */

struct ticket_holder {
    struct uuid tenant;
    struct uuid key;
    struct uuid thread; /* zero: any of the tenant's */
    struct tenant_rates rates;
};

/* Makes one in the name of store->tenant and this key, and writes it to out_ticket, its only
 * showing. THREAD_MISSING. */
SUSPENDS MUSTCHECK int tickets_create(const struct store *store, struct uuid key,
                                      struct uuid thread, char out_ticket[TICKET_TEXT_SIZE],
                                      int64_t *out_expires_at, struct error *err);

/* Takes it: whoever comes second finds none. TICKET_MISSING also where its time or its key is
 * over. */
SUSPENDS MUSTCHECK int tickets_take(struct pg *pg, struct text ticket, struct ticket_holder *out,
                                    struct error *err);
