/* A megabyte of JSON takes 10 ms to parse, for which nobody else is to wait. */

#include "shared/submit/spec_load.h"

#include "shared/fiber/offload.h"

struct loading {
    struct text spec;
    struct arena *arena;
    struct agent_spec *out;
    struct error *err;
    int result;
};

static void load(void *arg)
{
    struct loading *loading = arg;

    loading->result = agent_spec_parse(loading->spec, loading->arena, loading->out, loading->err);
}

int agent_spec_load(struct text spec, struct arena *arena, struct agent_spec *out,
                    struct error *err)
{
    struct loading loading = {.spec = spec, .arena = arena, .out = out, .err = err};

    offload_large(spec.len, load, &loading);
    return loading.result;
}
