/* A fiber that finds out and then stays, since a worker that was declared dead has a new row, which
 * is to say the same. */

#include "worker/code_ability.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/store/fleet/workers.h"
#include "worker/state.h"
#include "worker/tools/sandbox/sandbox.h"

#define ROUND_MS     1000
#define TRY_AGAIN_MS 60000

static const char switched_off[] = "it is switched off (code_interpreter.enabled)";

static const char *trouble_of(const struct worker *worker)
{
    return worker->sandbox ? sandbox_trouble(worker->sandbox) : switched_off;
}

static void log_ability(const struct worker *worker)
{
    const char *trouble = trouble_of(worker);

    if (!trouble[0])
        log_info("programs of models can be run", LOG_STR("worker", worker->id_text));
    else if (worker->sandbox)
        log_warn("programs of models can't be run", LOG_STR("why", trouble));
}

/* Returns 0, or -E_CANCELED. */
static int find_out(struct worker *worker, struct error *err)
{
    int r = worker->sandbox ? sandbox_find_out(worker->sandbox, err) : 0;

    if (r == 0)
        log_ability(worker);
    return r;
}

static void herald(void *arg)
{
    struct worker *worker = arg;
    int64_t told = 0;
    int64_t found_ms = clock_ms();
    struct error err;

    if (find_out(worker, &err) < 0)
        return;
    do {
        int64_t id = worker->id;

        if (worker->sandbox && sandbox_may_recover(worker->sandbox) &&
            clock_ms() - found_ms >= TRY_AGAIN_MS) {
            if (find_out(worker, &err) < 0)
                return;
            found_ms = clock_ms();
            told = 0;
        }
        if (id != told && workers_tell_code(worker->pg, id, trouble_of(worker), &err) == 0)
            told = id;
    } while (fiber_sleep(ROUND_MS, &err) == 0);
}

void code_ability_start(struct worker *worker)
{
    const struct config *config = worker->config;
    const struct sandbox_options options = {
        .slots = config->code_interpreter.slots,
        .wall_ms = config->code_interpreter.wall_ms,
        .cpu_seconds = config->code_interpreter.cpu_seconds,
        .memory_bytes = config->code_interpreter.memory_bytes,
        .processes = config->code_interpreter.processes,
        .disk_bytes = config->code_interpreter.disk_bytes,
        .output_bytes = config->code_interpreter.output_bytes,
        .first_uid = config->code_interpreter.first_uid,
        .groups = config->code_interpreter.cgroups,
    };

    if (text_is(text_of(config->code_interpreter.enabled), "on"))
        worker->sandbox = sandbox_open(&options);
    worker->tools.sandbox = worker->sandbox;
    worker->tools.files = (struct tool_files){
        .rows = worker->files.rows,
        .blobs = worker->files.blobs,
        .quota = config->files.tenant_max_bytes,
    };
    worker->sandbox_herald = fiber_start("code-ability", herald, worker);
}

void code_ability_stop(struct worker *worker)
{
    if (!worker->sandbox_herald)
        return;
    fiber_cancel(worker->sandbox_herald);
    fiber_join(worker->sandbox_herald);
    worker->sandbox_herald = NULL;
    sandbox_close(worker->sandbox);
}
