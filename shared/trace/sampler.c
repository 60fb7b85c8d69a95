#include "shared/trace/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/trace/trace_context.h"

#define VALUES ((uint64_t)1 << 56)

enum share { SHARE_ALL, SHARE_NONE, SHARE_RATIO };

static const struct {
    const char *name;
    bool by_parent;
    enum share share;
} samplers[] = {
    {"", true, SHARE_ALL},
    {"always_on", false, SHARE_ALL},
    {"always_off", false, SHARE_NONE},
    {"traceidratio", false, SHARE_RATIO},
    {"parentbased_always_on", true, SHARE_ALL},
    {"parentbased_always_off", true, SHARE_NONE},
    {"parentbased_traceidratio", true, SHARE_RATIO},
};

static bool read_ratio(const char *argument, double *out)
{
    char *end;
    double value;

    if (!argument[0]) {
        *out = 1;
        return true;
    }
    if (strspn(argument, "0123456789.") != strlen(argument))
        return false;
    value = strtod(argument, &end);
    if (*end || end == argument || !(value >= 0 && value <= 1))
        return false;
    *out = value;
    return true;
}

static size_t find(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_LENGTH(samplers) && strcmp(samplers[i].name, name) != 0)
        i++;
    return i;
}

const char *sampler_check_name(const char *name)
{
    if (find(name) < ARRAY_LENGTH(samplers))
        return NULL;
    return "must be always_on, always_off, traceidratio, parentbased_always_on, "
           "parentbased_always_off or parentbased_traceidratio";
}

const char *sampler_check_argument(const char *argument)
{
    double ratio;

    return read_ratio(argument, &ratio) ? NULL : "must be a number from 0 to 1, such as 0.01";
}

const char *sampler_read(const char *name, const char *argument, struct sampler *out)
{
    const char *complaint = sampler_check_name(name);
    size_t at = find(name);
    double ratio = 1;

    if (!complaint)
        complaint = sampler_check_argument(argument);
    if (complaint)
        return complaint;
    if (samplers[at].share == SHARE_NONE)
        ratio = 0;
    else if (samplers[at].share == SHARE_RATIO)
        (void)!read_ratio(argument, &ratio); /* it was checked */
    *out = (struct sampler){
        .by_parent = samplers[at].by_parent,
        .reject = (uint64_t)llround((1 - ratio) * (double)VALUES),
    };
    return NULL;
}

bool sampler_takes(const struct sampler *sampler, const struct trace_context *parent,
                   const struct trace_context *own)
{
    uint64_t value = 0;

    if (parent && sampler->by_parent)
        return parent->flags & TRACE_SAMPLED;
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++)
        value = value << 8 | own->trace_id[i];
    return value >= sampler->reject;
}
