/* `penstock providers test`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/models/models.h"
#include "providers/models/registry.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/providers/model_trial.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_client.h"

#define MODELS_MAX    500
#define AT_ONCE       8
#define TIMEOUT_S     60
#define TIMEOUT_MAX_S 3600

struct tried_model {
    char *name;
    bool none; /* it is a provider of which no model is known */
    struct provider_target target;
    struct model_trial trial;
};

struct test {
    const struct arguments *args;
    const struct config *config;
    struct provider_registry *registry;
    struct http_client *http;
    struct tried_model *models;
    size_t count;
    size_t next;
};

/* One that is there already is not tried twice. Returns 0, or -E_NOT_FOUND, -E_LIMIT. */
static int add_model(struct test *test, const char *name, struct error *err)
{
    struct tried_model *model = &test->models[test->count];
    int r;

    for (size_t i = 0; i < test->count; i++)
        if (strcmp(test->models[i].name, name) == 0)
            return 0;
    if (test->count == MODELS_MAX)
        return error_set(err, E_LIMIT, "more than %d models at once", MODELS_MAX);
    r = provider_registry_resolve(test->registry, text_of(name), &model->target, err);
    if (r < 0)
        return r;
    model->name = xstrdup(name);
    test->count++;
    return 0;
}

/* Of the models that are known by name, the cheapest one of a provider that answers in text. */
static const struct model_info *cheapest(const char *provider)
{
    const struct model_info *found = NULL;
    const struct model_info *all;
    size_t count = models_all(&all);

    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].provider, provider) == 0 && all[i].abilities.tools &&
            all[i].prices.output > 0 && (!found || all[i].prices.output < found->prices.output))
            found = &all[i];
    return found;
}

/* A line that says so. Returns 0, or -E_LIMIT. */
static int add_none(struct test *test, const char *provider, struct error *err)
{
    struct tried_model *model = &test->models[test->count];

    if (test->count == MODELS_MAX)
        return error_set(err, E_LIMIT, "more than %d models at once", MODELS_MAX);
    *model = (struct tried_model){.name = xstrdup(provider), .none = true};
    model_trial_missing(provider, &model->trial);
    test->count++;
    return 0;
}

/* Its models of the configuration, else its cheapest one that is known. *out_none: it has
 * neither. */
static int add_provider(struct test *test, const char *provider, bool *out_none, struct error *err)
{
    const struct model_info *known = cheapest(provider);
    bool any = false;
    int r = 0;

    *out_none = false;
    for (unsigned i = 0; r == 0 && i < test->config->models_count; i++)
        if (strcmp(test->config->models[i].provider, provider) == 0) {
            any = true;
            r = add_model(test, test->config->models[i].name, err);
        }
    if (r == 0 && !any && known) {
        CLEANUP(freep) char *name = xasprintf("%s/%s", provider, known->name);

        return add_model(test, name, err);
    }
    *out_none = r == 0 && !any;
    return r;
}

static bool is_provider(const struct test *test, const char *name)
{
    for (unsigned i = 0; i < test->config->providers_count; i++)
        if (strcmp(test->config->providers[i].name, name) == 0)
            return true;
    return false;
}

static int add_named(struct test *test, const char *name, struct error *err)
{
    bool none = false;
    int r;

    if (!is_provider(test, name))
        return add_model(test, name, err);
    r = add_provider(test, name, &none, err);
    if (none)
        return error_set(err, E_NOT_FOUND,
                         "no model of provider '%.60s' is configured or known: name one, as in "
                         "%.60s/NAME",
                         name, name);
    return r;
}

static int add_all(struct test *test, struct error *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < test->config->models_count; i++)
        r = add_model(test, test->config->models[i].name, err);
    for (unsigned i = 0; r == 0 && i < test->config->providers_count; i++) {
        const struct config_provider *provider = &test->config->providers[i];
        bool none = false;

        if (provider->in_use)
            r = add_provider(test, provider->name, &none, err);
        if (none)
            r = add_none(test, provider->name, err);
    }
    if (r == 0 && test->count == 0)
        return error_set(err, E_NOT_FOUND,
                         "no provider is in use: set OPENAI_API_KEY or another provider's, write a "
                         "configuration file, or name a model, as in ollama/NAME");
    return r;
}

static int choose(struct test *test, struct error *err)
{
    int r = 0;

    if (test->args->positional_count == 0)
        return add_all(test, err);
    for (size_t i = 0; r == 0 && i < test->args->positional_count; i++)
        r = add_named(test, test->args->positional[i], err);
    return r;
}

/* One of a few fibers, each of which takes the next model that nobody has. */
static void try_models(void *arg)
{
    struct test *test = arg;
    int64_t timeout_ms = arguments_number(test->args, "timeout", TIMEOUT_S) * 1000;

    while (test->next < test->count) {
        struct tried_model *model = &test->models[test->next++];

        if (model->none)
            continue;
        if (model_trial_run(test->http, &model->target, timeout_ms, &model->trial, NULL) < 0)
            return;
    }
}

static void print_table(const struct test *test)
{
    CLEANUP(buf_deinit) struct buf out;
    size_t width = strlen("MODEL");

    buf_init(&out, 0);
    for (size_t i = 0; i < test->count; i++)
        if (strlen(test->models[i].name) > width)
            width = strlen(test->models[i].name);
    model_trial_head(width, &out);
    buf_add_char(&out, '\n');
    for (size_t i = 0; i < test->count; i++) {
        model_trial_format(test->models[i].name, width, &test->models[i].trial, &out);
        buf_add_char(&out, '\n');
    }
    terminal_print(stdout, buf_text(&out));
}

static void print_json(const struct test *test)
{
    for (size_t i = 0; i < test->count; i++) {
        CLEANUP(json_freep)
        struct json_object *object = model_trial_json(test->models[i].name, &test->models[i].trial);

        printf("%.*s\n", TEXT_ARGS(json_text(object)));
    }
}

static int try_all(void *arg)
{
    struct test *test = arg;
    struct fiber *fibers[AT_ONCE];
    struct error err;
    int result = COMMAND_OK;

    if (http_client_open(NULL, &test->http, &err) < 0)
        return command_fail(&err);
    for (size_t i = 0; i < AT_ONCE; i++)
        fibers[i] = fiber_start("trial", try_models, test);
    for (size_t i = 0; i < AT_ONCE; i++)
        fiber_join(fibers[i]);
    http_client_close(test->http);
    if (arguments_has(test->args, "json"))
        print_json(test);
    else
        print_table(test);
    for (size_t i = 0; i < test->count; i++)
        if (!model_trial_passed(&test->models[i].trial))
            result = COMMAND_FAILED;
    return result;
}

static int run_test(struct test *test)
{
    struct error err;
    int r = provider_registry_new(test->config, &test->registry, &err);

    if (r == 0)
        r = choose(test, &err);
    if (r < 0) {
        terminal_complain("%s", err.text);
        return COMMAND_USAGE;
    }
    return command_on_loop(try_all, test);
}

static int run(const struct arguments *args)
{
    struct config *config = NULL;
    struct test test = {.args = args};
    int result = command_load_config(arguments_get(args, "config"), &config);

    if (result != COMMAND_OK)
        return result;
    test.config = config;
    test.models = xcalloc(MODELS_MAX + 1, sizeof(*test.models));
    result = run_test(&test);
    for (size_t i = 0; i < test.count; i++)
        free(test.models[i].name);
    free(test.models);
    provider_registry_free(test.registry);
    config_free(config);
    return result;
}

static const struct option_spec options[] = {
    {"config", 'c', "FILE", "the configuration file (default: PENSTOCK_CONFIG)", 0, 0},
    {"timeout", 0, "SECONDS", "for each call; 60", 1, TIMEOUT_MAX_S},
    {"json", 0, NULL, "print one JSON object a model", 0, 0},
};

const struct command command_providers_test = {
    .name = "providers test",
    .arguments = "[PROVIDER|MODEL ...]",
    .summary = "Make two small calls of models and say what works",
    .details =
        "Without a name: the models of the configuration, and of each other provider that it\n"
        "or a variable names the cheapest model that is known. The calls cost what COST\n"
        "says. Where streaming is off a model need not stream.\n"
        "Exit code: 0 all works; 1 something does not; 2 wrong usage or an unknown model.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_max = ARGUMENTS_POSITIONAL_MAX,
    .run = run,
};
