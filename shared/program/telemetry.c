#include "shared/program/telemetry.h"

#include <string.h>

#include "shared/config/config.h"
#include "shared/trace/tracer.h"

int telemetry_start(const struct config *config, const char *program, struct tracer **out,
                    struct error *err)
{
    const struct tracer_options options = {
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

    return tracer_start(&options, out, err);
}
