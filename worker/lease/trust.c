/* Waiting for trust. */

#include "worker/lease/trust.h"

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "worker/lease/heartbeat.h"

#define POLL_MS 100

int trust_wait(const struct heartbeat *heartbeat, struct error *err)
{
    while (!heartbeat_trusted(heartbeat)) {
        int r = fiber_sleep(POLL_MS, err);

        if (r < 0)
            return r;
    }
    return 0;
}
