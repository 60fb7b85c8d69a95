#pragma once
/* Ids: UUIDv7 (RFC 9562, section 5.7) inside, shown as OpenAI's prefix and 32 hex digits
 * ("run_01932c07d3a87c3e9f5d1c2b3a495867"). In SQL: 'run_' || replace(id::text, '-', ''). */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37 /* 36 characters and the zero */
#define ID_TEXT_SIZE   48 /* longest prefix, 32 hex digits and the zero */

enum id_kind {
    ID_ASSISTANT,    /* asst_   */
    ID_THREAD,       /* thread_ */
    ID_MESSAGE,      /* msg_    */
    ID_RUN,          /* run_    */
    ID_STEP,         /* step_   */
    ID_TENANT,       /* tenant_ */
    ID_KEY,          /* key_    */
    ID_REQUEST,      /* req_    */
    ID_RESPONSE,     /* resp_: a run, as the Responses API names it */
    ID_CONVERSATION, /* conv_: a thread, as that API names it */
    ID_FILE,         /* file-   */
    ID_UPLOAD,       /* upload_ */
    ID_PART,         /* part_   */
    ID_BATCH,        /* batch_  */
    ID_SCHEDULE,     /* sched_  */
    ID_FIRING,       /* fire_: of a schedule; its run has the same id, as a run */
    ID_WEBHOOK,      /* whk_    */
    ID_ENDPOINT,     /* whe_: a webhook, as OpenAI's SDKs name it */
    ID_EVENT,        /* evt_    */
    ID_DELIVERY,     /* dlv_    */
    ID_BUDGET,       /* budget_ */
    ID_SECRET,       /* sec_    */
    ID_TOOL,         /* tool_   */
    ID_MEMORY,       /* mem_    */
};

/* A new id of the present time: sorts after every earlier one of this process. */
struct uuid uuid_new(void);

/* The version 7 id of a time, with these random bits (pure; for tests). */
struct uuid uuid_v7(int64_t wall_ms, const uint8_t random[10]);

/* When an id was made, in wall-clock milliseconds: the time in it. */
int64_t uuid_made_ms(struct uuid id);

/* One of up to 255 ids that belong to this one (n: 1 to 255), always the same. */
struct uuid uuid_derived(struct uuid id, uint8_t n);

bool uuid_equal(struct uuid a, struct uuid b);
bool uuid_is_zero(struct uuid a);
void uuid_format(struct uuid id, char out[UUID_TEXT_SIZE]); /* 8-4-4-4-12, as Postgres writes it */

/* Accepts what uuid_format writes, either case. False, output untouched, otherwise. */
MUSTCHECK bool uuid_parse(struct text text, struct uuid *out);

void id_format(enum id_kind kind, struct uuid id, char out[ID_TEXT_SIZE]);

/* Accepts exactly what id_format writes for this kind. False, output untouched, otherwise. */
MUSTCHECK bool id_parse(enum id_kind kind, struct text text, struct uuid *out);

const char *id_prefix(enum id_kind kind);

/* Fills with random bytes from the system; aborts if it has none. */
void random_bytes(void *out, size_t len);

/* A random number below `bound` (> 0), good enough for jitter. */
uint64_t random_below(uint64_t bound);
