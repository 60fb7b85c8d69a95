#pragma once
/* A whole API for a test: a database of its own with two tenants, the real server on a free port,
 * and a client that speaks plain HTTP. */

#include <criterion/criterion.h>

#include "scheduler/api/api.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/store/access/tenants.h"

struct pg;

struct fixture {
    struct pg *pg;
    struct api *api;
    struct http_server *server;
    struct uuid tenant; /* acme */
    char key[KEY_TEXT_SIZE];
    char other_key[KEY_TEXT_SIZE]; /* of another tenant */
    int runs_told;                 /* how often api_events.run_ready was called */
    int cancels_told;

    /* The last answer, freed with the next call. */
    char *headers;
    struct json_object *body;
};

/* Runs body on a loop. Needs DATABASE_URL (tests/lib/with-servers). */
void with_api(void (*body)(struct fixture *fixture));

/* The same with other endpoints than the API's own. */
struct endpoint_table;
void with_tables(const struct endpoint_table *const *tables, size_t count,
                 void (*body)(struct fixture *fixture));

struct call {
    const char *method;
    const char *path;
    const char *body;    /* NULL: none */
    const char *headers; /* further ones, each with CRLF; NULL: none */
    const char *key;     /* NULL: acme's; "": none */
};

/* Returns the status; the answer is in the fixture. */
int http(struct fixture *fixture, struct call call);

/* GET of what is no JSON. Returns the status; the headers are in the fixture. */
int http_events(struct fixture *fixture, const char *path);

/* The same, must have this status; returns the body, borrowed until the next call. */
struct json_object *expect(struct fixture *fixture, int status, const char *method,
                           const char *path, const char *body);

/* The answer's header, or NULL. Borrowed until the next call of either. */
const char *header(struct fixture *fixture, const char *name);

/* Must be refused with this status, error.param and error.code (NULL: null) and a message with this
 * in it. */
void refused(struct fixture *fixture, int status, const char *param, const char *code,
             const char *message, struct call call);

/* Ids of new things, as show() keeps them. */
const char *new_assistant(struct fixture *fixture);
const char *new_thread(struct fixture *fixture);

/* printf into static storage: 256 at a time. */
const char *show(const char *format, ...) PRINTF(1, 2);

const char *string_at(struct json_object *object, const char *name); /* asserts that it is one */

/* Plain SQL, for what only workers write. */
void sql_do(struct fixture *fixture, const char *sql);
int64_t sql_int(struct fixture *fixture, const char *sql);

/* The same on another database of the server. */
void sql_admin(const char *sql);
