#pragma once
/* Items: the messages of a thread, as the Responses API shows them. Pure.
 *
 * A message is what was said, and the calls that came with it, an item each. A call of a tool that
 * the server runs is one item with what came of it (mcp_call, of the server "penstock"); a call of
 * a function of the client is one, and its output another.
 */

#include "scheduler/api/openai/items/item_ids.h"
#include "shared/base/arena.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/threads/messages.h"

struct error;

#define ITEM_SERVER_LABEL "penstock"

struct item {
    struct item_id id;
    const struct message *message;
    struct text call;             /* JSON {"id","name","arguments"}; of calls */
    const struct message *result; /* of a server's call; NULL: none came yet */
    bool ended;                   /* nothing more comes of it */
    struct text thought;          /* of what was thought */
};

struct items {
    struct item *list; /* in the arena */
    size_t count;
};

/* Whether the server runs a tool: `name` is a JSON string. `result` is what came of the call;
 * NULL: nothing that is known. */
typedef bool (*item_is_servers_fn)(void *arg, struct text name, const struct message *result);

/* By the name alone, and by who wrote the result: where the run is not known that made the call.
 * The argument is not looked at. */
bool item_is_servers(void *arg, struct text name, const struct message *result);

/* By the tools of a run's spec (JSON): what is none of its functions. The argument is the spec, a
 * struct text. */
bool item_is_servers_of(void *arg, struct text name, const struct message *result);

/* The same, of a name that is no JSON. */
bool item_runs_on_server(struct text spec, struct text name);

/* Appends as much of a spec (JSON) as these two look at: its functions, by their names. */
void item_functions_write(struct text spec, struct buf *out);

struct item_source {
    const struct message *messages; /* in the order of the thread; the items borrow from them */
    size_t count;
    item_is_servers_fn is_servers;
    void *arg;
    bool in_work;                         /* a run may still write results */
    const struct step_thoughts *thoughts; /* of the run that wrote them; NULL: none are shown */
};

/* What was thought, told while it happens or when it is known. */
void item_thought_write(struct item_id id, struct text thought, const char *status,
                        struct buf *out);

/* Returns 0, or -E_LIMIT. */
MUSTCHECK int items_of(const struct item_source *source, struct arena *arena, struct items *out,
                       struct error *err);

/* The item with this id; NULL: there is none. An id names a call whichever side makes it, since
 * that may be seen otherwise where the run is not known. */
const struct item *items_find(const struct items *items, struct item_id id);

/* Appends the item as JSON. */
void item_write(const struct item *item, struct buf *out);

/* The same, separated by commas. */
void items_write(const struct items *items, struct buf *out);

/* One that is told while it happens. */
struct item_call {
    struct item_id id;
    struct text call_id;
    struct text name;
    struct text arguments;
    struct text output; /* TEXT_NONE: null */
    const char *status;
};
void item_call_write(const struct item_call *call, struct buf *out);

/* The content parts of a stored message, [ and ] included, as this API has them. */
void item_content_write(const struct message *message, struct buf *out);
