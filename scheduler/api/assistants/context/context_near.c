#include "scheduler/api/assistants/context/context_near.h"

#include "providers/context/context.h"
#include "providers/nearest/nearest.h"
#include "scheduler/api/request.h"
#include "scheduler/gateway/gateway.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

/* So long the question waits for vectors before words decide alone. */
#define VECTORS_MS 5000

struct looking {
    struct request *request;
    struct context_view *view;
    struct error *err;
};

/* The newest message of the user. */
static int read_said(struct looking *looking, struct text *out)
{
    const struct message_list *list = &looking->view->list;
    size_t at = list->count;

    while (at > 0 && list->items[at - 1].role != MESSAGE_USER)
        at--;
    *out = TEXT("");
    return at > 0 ? context_parts_text(list->items[at - 1].content, looking->request->store.arena,
                                       out, looking->err)
                  : 0;
}

static int choose(struct looking *looking, const struct thread *thread,
                  struct nearest_choice *choice)
{
    struct request *request = looking->request;
    struct context_view *view = looking->view;
    const struct vectors_means means =
        gateway_vectors(request->api->gateway, request->api->registry);
    struct nearest_ask ask = {
        .thread = view->thread,
        .user = thread->user,
        .below = view->list.items[0].position,
        .top_k = view->settings.top_k,
        .threshold = view->settings.score_threshold,
        .requests_per_minute = request->rates.requests_per_minute,
        .tokens_per_minute = request->rates.tokens_per_minute,
        .deadline_ms = deadline_in(VECTORS_MS),
    };
    struct nearest_found found;
    int r = read_said(looking, &ask.said);

    if (r == 0)
        r = nearest_choose(&means, &request->store, &ask, &found, looking->err);
    if (r < 0)
        return r;
    view->degraded = found.degraded;
    *choice = found.choice;
    return 0;
}

/* What lies between the messages that are given. */
static int read_gaps(struct looking *looking, const struct nearest_breaks *breaks)
{
    struct context_view *view = looking->view;
    const struct message *items = view->list.items;
    struct store *store = &looking->request->store;
    size_t *places = arena_calloc(store->arena, breaks->count + 1, sizeof(*places));
    struct message_gap *gaps = arena_calloc(store->arena, breaks->count + 1, sizeof(*gaps));
    int r = places && gaps ? 0 : error_set(looking->err, E_LIMIT, "there is no room for the gaps");
    size_t count = 0;

    if (r == 0) /* those before the first one */
        r = messages_gap(store, view->thread, 0, items[0].position, &gaps[0], looking->err);
    places[count++] = 0;
    for (size_t i = 0; r == 0 && i < breaks->count; i++) {
        places[count] = breaks->items[i];
        r = messages_gap(store, view->thread, items[places[count] - 1].position,
                         items[places[count]].position, &gaps[count], looking->err);
        count++;
    }
    view->breaks = places;
    view->gaps = gaps;
    view->breaks_count = count;
    return r;
}

int context_near_read(struct request *request, struct context_view *view, bool has_more,
                      struct error *err)
{
    struct looking looking = {request, view, err};
    struct nearest_choice choice = {.is_made = false};
    struct nearest_breaks breaks = {.count = 0};
    struct thread thread;
    int r;

    if (!has_more || view->list.count == 0)
        return 0;
    r = threads_get(&request->store, view->thread, &thread, err);
    if (r == 0 && !uuid_is_zero(view->run))
        r = run_nearest_read(&request->store, view->run, &choice, err);
    if (r >= 0 && !choice.is_made)
        r = choose(&looking, &thread, &choice);
    if (r >= 0)
        r = nearest_read(&request->store, view->thread, &choice, &view->list, &breaks, err);
    if (r == 0)
        r = read_gaps(&looking, &breaks);
    return r < 0 ? request_failed(request, err) : 0;
}
