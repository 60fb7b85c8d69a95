/* Money. */

#include "scheduler/cli/display/money.h"

#include <inttypes.h>
#include <stdio.h>

#define MICROS 1000000

void money_format(int64_t micros, char out[MONEY_SIZE])
{
    uint64_t size = micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros;

    (void)snprintf(out, MONEY_SIZE, "%s$%" PRIu64 ".%06" PRIu64, micros < 0 ? "-" : "",
                   size / MICROS, size % MICROS);
}
