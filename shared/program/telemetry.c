#include "shared/program/telemetry.h"

#include <string.h>

#include "shared/config/config.h"
#include "shared/trace/tracer.h"

static struct tracer_options options_of(const struct config *config, const char *program)
{
    return (struct tracer_options){
        .endpoint = config->telemetry.endpoint,
        .traces_endpoint = config->telemetry.traces_endpoint,
        .headers = config->telemetry.headers,
        .service_name = config->telemetry.service_name,
        .resource_attributes = config->telemetry.resource_attributes,
        .sampler = config->telemetry.sampler,
        .sampler_argument = config->telemetry.sampler_arg,
        .program = program,
        .content = strcmp(config->telemetry.content, "on") == 0,
        .tell_providers = strcmp(config->telemetry.tell_providers, "on") == 0,
    };
}

int telemetry_start(const struct config *config, const char *program, struct tracer **out,
                    struct error *err)
{
    const struct tracer_options options = options_of(config, program);

    return tracer_start(&options, out, err);
}

int telemetry_try(const struct config *config, struct error *err)
{
    const struct tracer_options options = options_of(config, "penstock");

    return tracer_try(&options, err);
}
