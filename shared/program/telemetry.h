#pragma once
/* The tracer of a program, as its configuration says. */

#include "shared/base/compiler.h"

struct config;
struct error;
struct tracer;

/* Returns 0 with *out, NULL where telemetry is off; or as tracer_start. */
MUSTCHECK int telemetry_start(const struct config *config, const char *program, struct tracer **out,
                              struct error *err);

/* Whether the collector takes traces; as tracer_try. */
SUSPENDS MUSTCHECK int telemetry_try(const struct config *config, struct error *err);
