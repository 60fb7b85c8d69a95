#include "shared/program/reload.h"

#include <stdlib.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"
#include "shared/config/config.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/offload.h"

#define READ_MS     10000 /* a megabyte of a disk that answers takes a hundredth of that */
#define NAMES_BYTES 4096

static struct {
    struct reload_options options;
    struct fiber *fiber;
    struct cond asked;
    bool is_asked;
    struct reload_counts counts;
} reload;

/* Reading it, on a thread. What it points to is the process' own. */
struct reading {
    struct offload_job job;
    const struct config_flags *flags;
    struct config *config;
    struct error err;
    int result;
};

static void read_config(struct offload_job *job)
{
    struct reading *reading = CONTAINER_OF(job, struct reading, job);

    reading->result = config_load_again(reading->flags, environ, &reading->config, &reading->err);
}

static void free_reading(struct offload_job *job)
{
    struct reading *reading = CONTAINER_OF(job, struct reading, job);

    config_free(reading->config);
    free(reading);
}

/* Returns 0 with *out, the caller's, or what is wrong. */
SUSPENDS static int load(struct config **out, struct error *err)
{
    struct reading *reading = xcalloc(1, sizeof(*reading));
    int r;

    reading->job = (struct offload_job){.run = read_config, .free_job = free_reading};
    reading->flags = reload.options.flags;
    r = offload_run(&reading->job, deadline_in(READ_MS), err);
    if (r < 0)
        return error_wrap(err, "reading the configuration");
    r = reading->result;
    if (r < 0)
        *err = reading->err;
    *out = reading->config;
    reading->config = NULL;
    free_reading(&reading->job);
    return r;
}

/* What the program takes over is its own from then on. Returns 0, or what is wrong with it. */
SUSPENDS static int apply(struct buf *changed, struct buf *left, struct error *err)
{
    const struct reload_options *options = &reload.options;
    CLEANUP(config_freep) struct config *config = NULL;
    struct config *taken;
    int r = load(&config, err);

    if (r == 0 && options->check)
        r = options->check(config, err);
    if (r == 0)
        r = options->reload(options->self, config, changed, err);
    if (r < 0)
        return r;
    taken = config;
    config = NULL;
    config_take_over(options->running, taken, options->section, changed, left);
    return 0;
}

SUSPENDS static void reload_once(void)
{
    const struct config *running = reload.options.running;
    CLEANUP(buf_deinit) struct buf changed = {0};
    CLEANUP(buf_deinit) struct buf left = {0};
    struct error err;
    int r;

    buf_init(&changed, NAMES_BYTES);
    buf_init(&left, NAMES_BYTES);
    r = apply(&changed, &left, &err);
    if (r == -E_CANCELED)
        return;
    if (r < 0) {
        reload.counts.refused++;
        log_error("the configuration was not taken over: all is as before", LOG_ERROR(&err));
        return;
    }
    reload.counts.done++;
    log_init(reload.options.name, running->log_level, running->log_format);
    log_info("the configuration was read again",
             LOG_STR("changed", changed.len > 0 ? buf_string(&changed) : "nothing"),
             LOG_STR("needs_a_new_start", left.len > 0 ? buf_string(&left) : "nothing"));
}

static void reload_main(void *arg)
{
    (void)arg;
    for (;;) {
        while (!reload.is_asked)
            if (cond_wait(&reload.asked, DEADLINE_NONE, NULL) < 0)
                return;
        reload.is_asked = false;
        reload_once();
        if (fiber_canceled())
            return;
    }
}

void reload_start(const struct reload_options *options)
{
    ASSERT(!reload.fiber);
    reload.options = *options;
    cond_init(&reload.asked);
    reload.fiber = fiber_start("reload", reload_main, NULL);
}

void reload_ask(void)
{
    reload.is_asked = true;
    if (reload.fiber)
        cond_signal(&reload.asked);
}

void reload_stop(void)
{
    if (!reload.fiber)
        return;
    fiber_cancel(reload.fiber);
    fiber_join(reload.fiber);
    reload.fiber = NULL;
}

struct reload_counts reload_counts(void)
{
    return reload.counts;
}
