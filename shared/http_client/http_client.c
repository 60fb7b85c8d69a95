/* The HTTP client, seen from a fiber: be admitted, take an easy handle, hand it to a shard, wait.
 *
 * The fiber waits with the next deadline in force; the first byte of a reply moves that deadline
 * without waking the fiber, which looks again when the earlier one passes. Whatever ends the wait,
 * the transfer is out of its multi before http_call returns, so nothing of curl points to the
 * fiber's stack any more; taking an unfinished transfer out closes its connection at once.
 *
 * Shards are filled from the first: few transfers share connections well, many are spread.
 * Admission is in order of arrival: who leaves hands the place to the longest waiter.
 */

#include "shared/http_client/http_client.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_internal.h"

#define DEFAULT_MAX_TRANSFERS       20000
#define DEFAULT_TRANSFERS_PER_SHARD 1000
#define DEFAULT_CONNECT_TIMEOUT_MS  10000
#define MAX_CONNECT_TIMEOUT_MS      300000
#define DEFAULT_TOTAL_TIMEOUT_MS    600000
#define DEFAULT_MAX_BODY_BYTES      ((size_t)16 << 20)
#define DEFAULT_MAX_HEADER_BYTES    ((size_t)64 << 10)
#define IDLE_HANDLES_MIN            256

struct admission {
    struct list link;
    struct fiber *fiber;
    bool admitted;
};

int http_client_open(const struct http_client_options *options, struct http_client **out,
                     struct error *err)
{
    static const struct http_client_options none;
    static bool curl_ready;
    struct http_client *client;
    CURLSH *share;

    if (!curl_ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, E_SYSTEM, "can't initialise libcurl");
    curl_ready = true;
    share = curl_share_init();
    if (!share)
        return error_set(err, E_SYSTEM, "no memory for an HTTP client");
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    client = xcalloc(1, sizeof(*client));
    client->options = options ? *options : none;
    client->share = share;
    list_init(&client->waiters);
    list_init(&client->names);
    if (!client->options.max_transfers)
        client->options.max_transfers = DEFAULT_MAX_TRANSFERS;
    if (!client->options.transfers_per_shard)
        client->options.transfers_per_shard = DEFAULT_TRANSFERS_PER_SHARD;
    client->shards_count =
        (client->options.max_transfers - 1) / client->options.transfers_per_shard + 1;
    client->shards = xcalloc(2 * client->shards_count, sizeof(*client->shards));
    for (size_t i = 0; i < 2 * client->shards_count; i++) {
        client->shards[i].client = client;
        client->shards[i].capped = i >= client->shards_count;
    }
    client->user_agent = xstrdup(client->options.user_agent ? client->options.user_agent
                                                            : "penstock/" PENSTOCK_VERSION);
    client->ca_file = client->options.ca_file ? xstrdup(client->options.ca_file) : NULL;
    *out = client;
    return 0;
}

void http_client_close(struct http_client *client)
{
    if (!client)
        return;
    ASSERT(client->admitted == 0);
    ASSERT(list_empty(&client->waiters));
    for (size_t i = 0; i < 2 * client->shards_count; i++)
        http_shard_close(&client->shards[i]);
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    http_names_clear(client);
    curl_share_cleanup(client->share);
    free(client->idle);
    free(client->shards);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
}

static int wait_for_admission(struct http_client *client, const struct http_transfer *transfer,
                              struct error *err)
{
    struct admission admission = {.fiber = transfer->fiber};
    int64_t deadline_ms = transfer->start_ms + transfer->call->total_timeout_ms;
    enum wait_result result = WAIT_WOKEN;

    list_add(&client->waiters, &admission.link);
    client->stats.waiting++;
    while (!admission.admitted && result == WAIT_WOKEN)
        result = fiber_wait("http admission", deadline_ms);
    client->stats.waiting--;
    if (admission.admitted)
        return 0; /* a cancel or the deadline is seen again by the transfer itself */
    list_remove(&admission.link);
    if (result == WAIT_TIMEOUT)
        return error_set(err, E_TIMEOUT, "no free HTTP transfer for %s within %lld ms",
                         transfer->host, (long long)transfer->call->total_timeout_ms);
    return error_set(err, E_CANCELED, "cancelled before the request to %s", transfer->host);
}

static int admit(struct http_client *client, const struct http_transfer *transfer,
                 struct error *err)
{
    if (client->admitted < client->options.max_transfers) {
        client->admitted++;
        return 0;
    }
    return wait_for_admission(client, transfer, err);
}

static void leave(struct http_client *client)
{
    struct list *item = list_pop(&client->waiters);
    struct admission *next;

    if (!item) {
        client->admitted--;
        return;
    }
    next = CONTAINER_OF(item, struct admission, link);
    next->admitted = true;
    fiber_wake(next->fiber);
}

static CURL *take_handle(struct http_client *client)
{
    CURL *easy;

    if (client->idle_count > 0)
        return client->idle[--client->idle_count];
    easy = http_easy_new(client);
    ASSERT(easy);
    return easy;
}

/* Keeps as many idle handles as a quarter of those in use, so that a burst is given back. */
static void give_handle(struct http_client *client, CURL *easy)
{
    size_t cap = client->admitted / 4;

    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    if (cap < IDLE_HANDLES_MIN)
        cap = IDLE_HANDLES_MIN;
    if (client->idle_count >= cap) {
        curl_easy_cleanup(easy);
        return;
    }
    if (client->idle_count == client->idle_size) {
        client->idle_size = client->idle_size ? client->idle_size * 2 : 16;
        client->idle = xrealloc(client->idle, client->idle_size * sizeof(*client->idle));
    }
    client->idle[client->idle_count++] = easy;
}

/* The first with room. Whoever needs a connection of its own is not to wait for the cap. */
static struct http_shard *choose_shard(struct http_client *client,
                                       const struct http_transfer *transfer)
{
    bool capped = client->options.max_host_connections > 0 && transfer->secure &&
                  !transfer->call->pin && !transfer->call->once;
    struct http_shard *first = client->shards + (capped ? client->shards_count : 0);

    for (size_t i = 0; i < client->shards_count; i++)
        if (first[i].active < client->options.transfers_per_shard)
            return &first[i];
    return first; /* not reached: admission leaves room in one of each kind */
}

static int64_t next_deadline(const struct http_transfer *transfer)
{
    const struct http_call *call = transfer->call;
    int64_t total_ms = transfer->start_ms + call->total_timeout_ms;
    int64_t next_ms = transfer->start_ms + call->first_byte_timeout_ms;

    if (transfer->enough_at_ms)
        next_ms = transfer->enough_at_ms + HTTP_END_MS;
    else if (transfer->first_byte_at_ms)
        next_ms = transfer->last_byte_at_ms + call->idle_timeout_ms;
    return next_ms < total_ms ? next_ms : total_ms;
}

static int fail_late(const struct http_transfer *transfer, struct error *err)
{
    const struct http_call *call = transfer->call;

    if (transfer->first_byte_at_ms == 0)
        return error_set(err, E_TIMEOUT, "no response byte within %lld ms from %s%s",
                         (long long)(call->first_byte_timeout_ms < call->total_timeout_ms
                                         ? call->first_byte_timeout_ms
                                         : call->total_timeout_ms),
                         transfer->host, transfer->connected ? "" : " (not connected yet)");
    if (clock_ms() < transfer->start_ms + call->total_timeout_ms)
        return error_set(err, E_TIMEOUT, "no further byte within %lld ms from %s (%zu body bytes)",
                         (long long)call->idle_timeout_ms, transfer->host, transfer->body_bytes);
    return error_set(err, E_TIMEOUT, "no complete response within %lld ms from %s (%zu body bytes)",
                     (long long)call->total_timeout_ms, transfer->host, transfer->body_bytes);
}

/* Returns 0 when the transfer is done, or its receiver has had enough. */
static int wait_done(struct http_transfer *transfer, struct error *err)
{
    fiber_trim_stack();
    while (!transfer->done) {
        switch (fiber_wait("http", next_deadline(transfer))) {
        case WAIT_WOKEN:
            break;
        case WAIT_TIMEOUT:
            if (transfer->done || clock_ms() < next_deadline(transfer))
                break;
            return transfer->enough_at_ms ? 0 : fail_late(transfer, err);
        case WAIT_CANCELED:
            return error_set(err, E_CANCELED, "cancelled during the request to %s", transfer->host);
        }
    }
    return 0;
}

static bool is_complete(const struct http_transfer *transfer)
{
    if (transfer->failure.code)
        return false;
    if (transfer->truncated || transfer->enough_at_ms)
        return true; /* our end of it was an error to curl */
    /* curl takes a connection that ends amid the headers for a complete reply. */
    return transfer->result == CURLE_OK && transfer->headers_done;
}

static int run_transfer(struct http_transfer *transfer, struct http_response *out,
                        struct error *err)
{
    struct http_client *client = transfer->client;
    int r = http_names_resolve(transfer, err);

    if (r < 0)
        return r;
    transfer->easy = take_handle(client);
    http_transfer_configure(transfer);
    http_shard_add(choose_shard(client, transfer), transfer);
    client->stats.active++;
    r = wait_done(transfer, err);
    client->stats.active--;
    http_shard_remove(transfer);
    if (r == 0 && !is_complete(transfer))
        r = http_failure(transfer, err);
    if (r == 0)
        http_response_take(transfer, out);
    give_handle(client, transfer->easy);
    return r;
}

static void set_default_ms(int64_t *value, int64_t otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static void set_defaults(struct http_call *call)
{
    set_default_ms(&call->connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
    set_default_ms(&call->total_timeout_ms, DEFAULT_TOTAL_TIMEOUT_MS);
    set_default_ms(&call->first_byte_timeout_ms, call->total_timeout_ms);
    set_default_ms(&call->idle_timeout_ms, call->total_timeout_ms);
    if (call->connect_timeout_ms > MAX_CONNECT_TIMEOUT_MS)
        call->connect_timeout_ms = MAX_CONNECT_TIMEOUT_MS;
    if (!call->max_body_bytes)
        call->max_body_bytes = DEFAULT_MAX_BODY_BYTES;
    if (!call->max_header_bytes)
        call->max_header_bytes = DEFAULT_MAX_HEADER_BYTES;
}

int http_call(struct http_client *client, const struct http_call *call, struct http_response *out,
              struct error *err)
{
    struct http_call effective = *call;
    struct http_transfer transfer = {
        .client = client, .call = &effective, .fiber = fiber_self(), .start_ms = clock_ms()};
    int r;

    ASSERT(transfer.fiber);
    set_defaults(&effective);
    client->stats.calls++;
    r = http_request_prepare(&transfer, err);
    if (r == 0)
        r = admit(client, &transfer, err);
    if (r == 0) {
        buf_init(&transfer.head, effective.max_header_bytes);
        buf_init(&transfer.body, effective.max_body_bytes);
        buf_init(&transfer.addresses, 0);
        r = run_transfer(&transfer, out, err);
        leave(client);
        buf_deinit(&transfer.head);
        buf_deinit(&transfer.body);
        buf_deinit(&transfer.addresses);
    }
    free(transfer.request_headers);
    if (r < 0)
        client->stats.failures++;
    return r;
}

int http_call_pinned(struct http_client *client, const struct http_call *call,
                     const struct address *pins, size_t count, struct http_response *out,
                     struct error *err)
{
    struct http_call one = *call;
    struct error why = {0}; /* of the last; err is filled on failure alone */
    int64_t start_ms = clock_ms();
    int r = -E_UNAVAILABLE;

    ASSERT(count > 0);
    set_defaults(&one);
    for (size_t i = 0; r == -E_UNAVAILABLE && i < count; i++) {
        int64_t spent_ms = clock_ms() - start_ms;
        bool last = i + 1 == count || spent_ms >= one.total_timeout_ms;
        struct http_call next = one;

        next.pin = &pins[i];
        next.total_timeout_ms =
            one.total_timeout_ms > spent_ms ? one.total_timeout_ms - spent_ms : 1;
        if (!last && next.connect_timeout_ms > HTTP_PIN_CONNECT_MS)
            next.connect_timeout_ms = HTTP_PIN_CONNECT_MS;
        r = http_call(client, &next, out, &why);
        if (last)
            break;
    }
    if (r < 0 && err)
        *err = why;
    return r;
}

void http_client_stats_get(const struct http_client *client, struct http_client_stats *out)
{
    *out = client->stats;
}
