/* The events of a run, for whoever comes: from the beginning, or behind the last one that he has
 * (Last-Event-ID, or after=ID of the query). An id that is none of ours, or another run's, begins
 * from the start. */

#include "scheduler/api/assistants/run_path.h"
#include "scheduler/api/stream/follow.h"
#include "scheduler/api/stream/resources.h"
#include "scheduler/api/stream/run_stream.h"
#include "shared/store/runs/runs.h"

/* One of a release that did not say its run may be of any. */
static struct shown read_shown(struct request *request, struct uuid run)
{
    struct text id = http_header_get(request->exchange, "last-event-id");
    struct shown shown = {.run = SHOWN_NOTHING};

    if (!id.ptr)
        id = http_query_get(request->exchange, "after", 0);
    if (id.ptr && (!shown_parse(text_trim(id), &shown) || (shown.of && shown.of != shown_of(run))))
        shown = (struct shown){.run = SHOWN_NOTHING};
    return shown;
}

/* A browser whose stream came to its end comes back, unless it is told that there is no more. */
static int no_more(struct request *request)
{
    (void)http_reply(request->exchange, 204, NULL, TEXT(""));
    return 0;
}

static int events(struct request *request, bool any_thread)
{
    struct follow follow = {.is_there = false};
    struct run_path path;
    int r = run_path_read(request, any_thread, &path);

    if (r == 0 && any_thread)
        path.thread = request->ticket_thread;
    if (r == 0)
        r = request_check_ticket(request, path.thread);
    if (r == 0)
        r = run_stream_format(request, &follow.format);
    if (r < 0)
        return r;
    follow.shown = read_shown(request, path.run);
    if (follow.shown.run == SHOWN_ENDED)
        return no_more(request);
    follow.thread = path.thread;
    follow.run = path.run;
    r = follow_run(request, &follow);
    return r == RUN_MISSING ? request_missing(request, "run", path.run_text) : r;
}

static int run_events(struct request *request)
{
    return events(request, false);
}

static int run_events_any(struct request *request)
{
    return events(request, true);
}

static const char *const query[] = {"after", "format", "ticket", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/events",
     .handle = run_events,
     .gives = GIVES_EVENTS,
     .query = query,
     .flags = ENDPOINT_TICKET},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/runs/{run_id}/events",
     .handle = run_events_any,
     .gives = GIVES_EVENTS,
     .query = query,
     .flags = ENDPOINT_TICKET},
};
/* clang-format on */

const struct endpoint_table run_event_endpoints = ENDPOINT_TABLE(table);
