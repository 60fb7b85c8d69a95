/* The service takes batches that nobody holds, a fiber for each, as many as there is room for. */

#include "scheduler/batches/batches.h"

#include <stdlib.h>

#include "providers/models/registry.h"
#include "scheduler/api/openai/responses/response_lines.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json.h"
#include "shared/metrics/metric_table.h"
#include "shared/submit/submit.h"

#define PERIOD_MS 500

static int check_model(const struct batches *batches, const char *param, struct text model,
                       struct failure *failure)
{
    struct provider_target target;
    struct error err;

    if (provider_registry_resolve(batches->options.registry, model, &target, &err) < 0)
        return failure_param(failure, 404, param, "model_not_found", "%s.", err.text);
    return 0;
}

int batches_check_models(void *arg, struct json_object *body, struct failure *failure)
{
    struct text model = json_get_text(body, "model");
    struct text of_budget = json_get_text(json_get(body, "budget"), "fallback_model");
    struct json_object *fallbacks = json_get(body, "fallbacks");
    size_t count = fallbacks ? json_object_array_length(fallbacks) : 0;
    int r = model.ptr ? check_model(arg, "model", model, failure) : 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = check_model(arg, "fallbacks", json_string(json_object_array_get_idx(fallbacks, i)),
                        failure);
    if (r == 0 && of_budget.ptr)
        r = check_model(arg, "budget.fallback_model", of_budget, failure);
    return r;
}

/* Those that are over leave their place. */
SUSPENDS static void clear_places(struct batches *batches)
{
    for (size_t i = 0; i < BATCHES_MAX; i++) {
        struct batch_task *task = batches->tasks[i];

        if (!task || !task->over)
            continue;
        fiber_join(task->fiber);
        free(task);
        batches->tasks[i] = NULL;
        batches->held--;
    }
}

static void start(struct batches *batches, const struct batch_hold *hold)
{
    size_t place = 0;

    while (batches->tasks[place])
        place++;
    batches->tasks[place] = xcalloc(1, sizeof(**batches->tasks));
    batches->tasks[place]->batches = batches;
    batches->tasks[place]->hold = *hold;
    batches->held++;
    batch_task_start(batches->tasks[place]);
}

static int take_round(void *arg, struct error *err)
{
    struct batches *batches = arg;
    struct batch_ids taken = {NULL, 0};
    struct arena arena;
    int r = 0;

    clear_places(batches);
    arena_init(&arena, 0);
    if (batches->held < BATCHES_MAX)
        r = batches_take(batches->options.pg, &arena, batches->owner,
                         (int)(BATCHES_MAX - batches->held), &taken, err);
    for (size_t i = 0; r == 0 && i < taken.count; i++)
        start(batches, &taken.items[i]);
    arena_deinit(&arena);
    return r;
}

struct batches *batches_start(const struct batches_options *options)
{
    struct batches *batches = xcalloc(1, sizeof(*batches));
    struct submit_options submit = {
        .pg = options->pg,
        .shards = options->shards,
        .run_ttl_ms = options->run_ttl_ms,
        .limits = &batches->options.limits,
        .check_models = batches_check_models,
        .arg = batches,
    };
    struct service_options service = {
        .name = "batches",
        .round = take_round,
        .arg = batches,
        .period_ms = PERIOD_MS,
        .trouble = "batches can't be taken",
        .recovered = "batches can be taken again",
    };

    ASSERT(options->pg && options->blobs && options->registry);
    batches->options = *options;
    if (batches->options.shards < 1)
        batches->options.shards = 1;
    batches->submitter = submitter_new(&submit);
    batches->responses = response_lines_new(
        &(struct response_lines_options){options->pg, options->registry, batches->submitter});
    batches->owner = (int64_t)(1 + random_below(INT64_MAX - 1));
    service_start(&batches->service, &service);
    return batches;
}

void batches_stop(struct batches *batches)
{
    if (!batches)
        return;
    service_stop(&batches->service);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (batches->tasks[i])
            fiber_cancel(batches->tasks[i]->fiber);
    for (size_t i = 0; i < BATCHES_MAX; i++) {
        if (!batches->tasks[i])
            continue;
        fiber_join(batches->tasks[i]->fiber);
        free(batches->tasks[i]);
    }
    response_lines_free(batches->responses);
    submitter_free(batches->submitter);
    free(batches);
}

void batches_set_registry(struct batches *batches, struct provider_registry *registry)
{
    batches->options.registry = registry;
    response_lines_set_registry(batches->responses, registry);
}

static const struct metric rows[] = {
    METRIC_SHOWS(batches, METRIC_SIZE, held, "penstock_batches_held",
                 "Batches that this scheduler works on."),
    METRIC_COUNTS(batches, METRIC_UINT64, completed, "penstock_batches_ended_total",
                  "Batches whose files this scheduler has written."),
    METRIC_COUNTS(batches, METRIC_UINT64, lines_begun, "penstock_batch_lines_begun_total",
                  "Lines of batches that became runs."),
    METRIC_COUNTS(batches, METRIC_UINT64, lines_completed, "penstock_batch_lines_completed_total",
                  "Lines of batches that are in an output file."),
    METRIC_COUNTS(batches, METRIC_UINT64, lines_failed, "penstock_batch_lines_failed_total",
                  "Lines of batches that are in an error file."),
};

const struct metric_table batches_metrics = METRIC_TABLE(rows);

void batches_metrics_render(const struct batches *batches, struct buf *out)
{
    metric_table_render(&batches_metrics, batches, out);
}
