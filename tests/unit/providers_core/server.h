#pragma once
/* A server for tests: takes one connection after the other, reads a request from each, writes what
 * it was given for it, and closes. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define SERVER_REQUESTS_MAX 6

struct fiber;

struct server {
    const char *reply; /* the bytes of the first response; NULL: those of server_answer, or none */
    size_t reply_len;  /* 0: it ends with a zero */
    bool hold;         /* stay on after the last response */
    struct buf answers[SERVER_REQUESTS_MAX];
    size_t answers_count;

    char requests[SERVER_REQUESTS_MAX][8192]; /* as they came, cut */
    size_t requests_count;
    char url[64];
    int fd;
    struct fiber *fiber;
};

/* Of a zeroed server. */
void server_start(struct server *server);
void server_stop(struct server *server); /* frees the answers, too */

/* Appends the response to the next request, with status 200 unless `status` says otherwise; headers
 * are "Name: value\r\n…". */
void server_answer(struct server *server, const char *status, const char *headers,
                   struct text body);
