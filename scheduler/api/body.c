/* Bodies of requests, from bytes to checked JSON. */

#include "scheduler/api/body.h"

#include "scheduler/api/admit.h"
#include "scheduler/api/request.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/offload.h"

/* The body as JSON, and what is wrong with it. Touches nothing but the request. */
static int decode_body(struct request *request, struct text body)
{
    struct error err;
    int r = json_decode(body, JSON_DEPTH_DEFAULT, &request->body, &err);

    if (r < 0)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "We could not parse the JSON body of your request: %s. The body must "
                             "be one JSON object in UTF-8.",
                             err.text);
    r = fields_expect(FIELD_OBJECT, request->body, NULL, &request->failure);
    return r < 0 ? r
                 : fields_check(*request->endpoint->body, request->body, NULL, &request->failure);
}

struct decoding {
    struct offload_job job;
    struct request *request;
    struct text body;
    int result;
};

static void decoding_run(struct offload_job *job)
{
    struct decoding *decoding = CONTAINER_OF(job, struct decoding, job);

    decoding->result = decode_body(decoding->request, decoding->body);
}

static void decoding_unused(struct offload_job *job)
{
    (void)job; /* it is in the frame of its fiber */
}

/* On a thread, so that the loop stands still for nobody's megabytes. Nothing interrupts it: it is
 * over in milliseconds, and works on what is the request's. */
static int decode_large_body(struct request *request, struct text body)
{
    struct decoding decoding = {
        .job = {.run = decoding_run, .free_job = decoding_unused},
        .request = request,
        .body = body,
    };
    int r;

    fiber_shield_enter();
    r = offload_run(&decoding.job, DEADLINE_NONE, NULL);
    fiber_shield_leave();
    return r < 0 ? decode_body(request, body) : decoding.result; /* no thread to be had */
}

int body_read(struct request *request)
{
    struct text body = request->exchange->body;
    size_t max = request_body_max(request, SIZE_MAX);

    if (body.len > max)
        return failure_param(&request->failure, 413, NULL, NULL,
                             "The body of this request is larger than %zu bytes.", max);
    if (request->endpoint->takes != TAKES_JSON)
        return 0;
    if (text_trim(body).len == 0)
        body = TEXT("{}");
    return body.len < REQUEST_LARGE_BYTES ? decode_body(request, body)
                                          : decode_large_body(request, body);
}
