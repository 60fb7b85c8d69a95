/* Services
 *
 * A cancelled round is no failure: it is how a service ends.
 */

#include "shared/fiber/service.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"

int64_t service_spread_ms(int64_t wait_ms)
{
    return wait_ms - wait_ms / 4 + (int64_t)random_below((uint64_t)wait_ms / 2 + 1);
}

static void tell(const struct service *service, int r, const struct error *err)
{
    const struct service_options *options = &service->options;
    const struct log_field number =
        options->label ? LOG_INT(options->label, options->number) : (struct log_field){0};

    if (r < 0 && !service->troubled && options->trouble)
        log_warn(options->trouble, LOG_ERROR(err), number);
    if (r >= 0 && service->troubled && options->recovered)
        log_info(options->recovered, number);
}

static void note(struct service *service, int r, const struct error *err)
{
    tell(service, r, err);
    service->rounds++;
    service->failures += r < 0;
    service->troubled = r < 0;
}

/* Returns 0 when the next round is due, -E_CANCELED. */
SUSPENDS static int await_round(struct service *service, struct error *err)
{
    const struct service_options *options = &service->options;
    int64_t wait_ms =
        options->wait_ms ? options->wait_ms(options->arg) : service_spread_ms(options->period_ms);
    int64_t deadline_ms = deadline_in(wait_ms);
    int r = 0;

    if (service->troubled) {
        r = fiber_sleep(wait_ms, err);
    } else {
        while (r == 0 && !service->wake)
            r = cond_wait(&service->woken, deadline_ms, err);
    }
    service->wake = false;
    return r == -E_TIMEOUT ? 0 : r;
}

static void service_main(void *arg)
{
    struct service *service = arg;
    struct error err = {0};
    int r = service->options.late ? await_round(service, &err) : 0;

    while (r != -E_CANCELED && !fiber_canceled()) {
        r = service->options.round(service->options.arg, &err);
        if (r == -E_CANCELED)
            break;
        note(service, r, &err);
        service_beat(service);
        r = await_round(service, &err);
    }
}

void service_start(struct service *service, const struct service_options *options)
{
    *service = (struct service){.options = *options};
    cond_init(&service->woken);
    if (options->stuck_ms > 0)
        pulse_start(&service->pulse, options->name, options->stuck_ms);
    service->fiber = fiber_start(options->name, service_main, service);
}

void service_stop(struct service *service)
{
    if (!service->fiber)
        return;
    fiber_cancel(service->fiber);
    fiber_join(service->fiber);
    service->fiber = NULL;
    if (service->options.stuck_ms > 0)
        pulse_stop(&service->pulse);
}

void service_wake(struct service *service)
{
    if (!service->fiber)
        return;
    service->wake = true;
    cond_signal(&service->woken);
}

void service_beat(struct service *service)
{
    if (service->options.stuck_ms > 0)
        pulse_beat(&service->pulse);
}
