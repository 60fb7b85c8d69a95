/* Tickets, with which pages connect (shared/store/access/tickets.h). No idempotency key counts
 * here: its reply would have to be kept, and this one is a secret. */

#include "shared/store/access/tickets.h"
#include "scheduler/api/request.h"
#include "scheduler/api/stream/resources.h"
#include "shared/json/json_write.h"

static const struct field create_ticket[] = {
    {.name = "thread_id", .kind = FIELD_STRING, .flags = FIELD_NULLABLE},
};

static const struct fields body_create_ticket = {create_ticket, ARRAY_LENGTH(create_ticket),
                                                 sizeof(create_ticket[0]), NULL, 0};

static int ticket_create(struct request *request)
{
    struct text said = json_get_text(request->body, "thread_id");
    struct uuid thread = {{0}};
    char ticket[TICKET_TEXT_SIZE];
    struct json_write w;
    struct error err;
    int64_t expires_at;
    int r;

    if (said.ptr && !id_parse(ID_THREAD, said, &thread))
        return request_missing(request, "thread", said);
    r = tickets_create(&request->store, request->key, thread, ticket, &expires_at, &err);
    if (r == THREAD_MISSING)
        return request_missing(request, "thread", said);
    if (r < 0)
        return request_failed(request, &err);
    http_add_header(request->exchange, "Cache-Control", TEXT("no-store"));
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "ticket");
    json_write_string(&w, "ticket", ticket);
    json_write_text_if(&w, "thread_id", said);
    json_write_int(&w, "expires_at", expires_at);
    json_write_close(&w);
    return 0;
}

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/tickets",
     .handle = ticket_create,
     .takes = TAKES_JSON,
     .body = &body_create_ticket},
};

const struct endpoint_table ticket_endpoints = ENDPOINT_TABLE(table);
