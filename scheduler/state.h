#pragma once
/* A scheduler: what its parts share. Lifetime: process. */

#include "shared/base/compiler.h"
#include "shared/net/guard.h"
#include "shared/program/file_links.h"

struct api;
struct batches;
struct census;
struct clockwork;
struct config;
struct dispatcher;
struct file_sweeper;
struct gateway;
struct health_listener;
struct http_client;
struct http_server;
struct key_ring;
struct live;
struct outbox_sender;
struct pg;
struct provider_registry;
struct queue;
struct reap;
struct redis;
struct retention_sweeper;
struct search_filler;
struct servers;
struct teller;
struct tracer;
struct waits;

/* Connections by what they are for, so that what is slow delays its like alone. Answers of a
 * connection come in the order of its questions: behind a page of 15 MB a lease would lapse. */
struct scheduler_links {
    struct pg *core;     /* leases of shards, looks at workers, counts: small statements, at once */
    struct pg *dispatch; /* ticks and sweeps, whose statements may take tenths of a second */
    struct pg *api;      /* of requests: small statements; NULL without the role api, as large */
    struct pg *large;    /* of requests: pages of lists, and what has a large body */
    struct pg *batches;  /* their waves and answers, which may be large; NULL without the role */
    struct pg *clock;    /* of schedules; NULL without the role */
    struct pg *search;   /* searches and what fills them; NULL: search is off */
    struct pg *outbox;   /* webhooks that are due; NULL without its role */
    struct pg *retention;      /* what is old and goes, large deletes; NULL without its role */
    struct http_client *hooks; /* to their receivers; NULL without the roles outbox and api */
    struct file_links files;   /* without the role dispatch alone */
    struct http_client *http;  /* to providers of models; NULL without the role api */
    struct redis *redis;
    struct queue *queue;
    struct teller *teller; /* tells other schedulers what becomes of runs here */
};

struct scheduler {
    const struct config *config;
    unsigned roles;
    struct scheduler_links links;
    struct servers *servers;
    struct tracer *tracer; /* NULL: telemetry is off */
    struct provider_registry *registry;
    struct api *api; /* NULL without its role; so are gateway, waits, live and reap */
    struct gateway *gateway;
    struct waits *waits;
    struct live *live;
    struct dispatcher *dispatcher; /* NULL without both the roles api and dispatch */
    struct reap *reap;
    struct file_sweeper *file_sweeper;   /* NULL without the role reap */
    struct batches *batches;             /* NULL without its role */
    struct clockwork *clockwork;         /* so is this */
    struct outbox_sender *outbox;        /* NULL without its role */
    struct retention_sweeper *retention; /* so is this */
    struct guard_options hook_guard;     /* of webhooks; its strings are its own */
    struct guard_options tool_guard;     /* of tools, as workers have it */
    struct key_ring *master_keys;        /* of secrets of tenants */
    struct search_filler *search_filler; /* NULL without the role reap, or where search is off */
    struct census *census;
    struct http_server *server;
    struct health_listener *metrics; /* NULL: the page is on the API's port, or off */
};
