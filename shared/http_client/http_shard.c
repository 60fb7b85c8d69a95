/* One curl multi handle on libev.
 *
 * curl says which sockets to watch and when to call it again; each event becomes one
 * curl_multi_socket_action on the loop's stack, after which finished transfers are taken off and
 * their fibers woken. A time-out of 0 ms, which every new transfer asks for, becomes a deferred
 * call of the same turn: transfers that start together are started by one call into curl.
 *
 * A multi is made when its shard is first used and closed, with its idle connections, when nobody
 * used it for a while; so a burst of thousands leaves nothing behind.
 */

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_internal.h"

#define UNUSED_S 60.0

struct watched_socket {
    ev_io watcher;
    struct http_shard *shard;
};

static void finish_transfers(struct http_shard *shard)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(shard->multi, &left))) {
        struct http_transfer *transfer = NULL;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->done = true;
        transfer->result = result;
        http_shard_remove(transfer);
        fiber_wake(transfer->fiber);
    }
}

static void act(struct http_shard *shard, curl_socket_t fd, int events)
{
    int running;

    curl_multi_socket_action(shard->multi, fd, events, &running);
    finish_transfers(shard);
}

static void on_ready(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct watched_socket *watched = CONTAINER_OF(watcher, struct watched_socket, watcher);

    (void)ev;
    act(watched->shard, watcher->fd,
        (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    act(CONTAINER_OF(timer, struct http_shard, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_kick(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_shard *shard = arg;
    struct watched_socket *watched = socket_arg;

    (void)easy;
    if (watched)
        ev_io_stop(loop_ev(), &watched->watcher);
    if (what == CURL_POLL_REMOVE) {
        free(watched);
        curl_multi_assign(shard->multi, fd, NULL);
        return 0;
    }
    if (!watched) {
        watched = xcalloc(1, sizeof(*watched));
        watched->shard = shard;
        curl_multi_assign(shard->multi, fd, watched);
    }
    ev_io_init(&watched->watcher, on_ready, fd,
               (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    ev_io_start(loop_ev(), &watched->watcher);
    return 0;
}

static int set_timer(CURLM *multi, long wait_ms, void *arg)
{
    struct http_shard *shard = arg;

    (void)multi;
    ev_timer_stop(loop_ev(), &shard->timer);
    if (wait_ms == 0) {
        loop_defer(&shard->kick);
        return 0;
    }
    loop_undefer(&shard->kick);
    if (wait_ms > 0) {
        /* The present turn may have begun a while ago; curl does not mind being called early. */
        ev_timer_set(&shard->timer, (double)wait_ms / 1e3, 0.0);
        ev_timer_start(loop_ev(), &shard->timer);
    }
    return 0;
}

static void on_unused(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    http_shard_close(CONTAINER_OF(timer, struct http_shard, unused));
}

static void open_multi(struct http_shard *shard)
{
    const struct http_client_options *options = &shard->client->options;

    shard->multi = curl_multi_init();
    ASSERT(shard->multi);
    ev_init(&shard->timer, on_timer);
    ev_timer_init(&shard->unused, on_unused, UNUSED_S, 0.0);
    deferred_init(&shard->kick, on_kick, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, (long)options->transfers_per_shard);
    if (shard->capped)
        curl_multi_setopt(shard->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                          options->max_host_connections);
}

void http_shard_add(struct http_shard *shard, struct http_transfer *transfer)
{
    CURLMcode code;

    if (!shard->multi)
        open_multi(shard);
    ev_timer_stop(loop_ev(), &shard->unused);
    shard->active++;
    transfer->shard = shard;
    code = curl_multi_add_handle(shard->multi, transfer->easy);
    ASSERT(code == CURLM_OK); /* anything else is a handle in two places, or no memory */
}

void http_shard_remove(struct http_transfer *transfer)
{
    struct http_shard *shard = transfer->shard;
    CURLMcode code;

    if (!shard)
        return;
    transfer->shard = NULL;
    code = curl_multi_remove_handle(shard->multi, transfer->easy);
    ASSERT(code == CURLM_OK);
    ASSERT(shard->active > 0);
    if (--shard->active == 0) {
        ev_timer_set(&shard->unused, UNUSED_S, 0.0);
        ev_timer_start(loop_ev(), &shard->unused);
    }
}

void http_shard_close(struct http_shard *shard)
{
    CURLM *multi = shard->multi;

    ASSERT(shard->active == 0);
    if (!multi)
        return;
    curl_multi_cleanup(multi); /* still calls watch_socket, to stop watching */
    ev_timer_stop(loop_ev(), &shard->timer);
    ev_timer_stop(loop_ev(), &shard->unused);
    loop_undefer(&shard->kick);
    shard->multi = NULL;
}
