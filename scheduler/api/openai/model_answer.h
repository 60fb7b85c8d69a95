#pragma once
/* What the endpoints that call a model for their client share: how a call begins for a request, and
 * who waits for it. */

#include "scheduler/api/request.h"
#include "scheduler/gateway/model_call.h"

/* Whether each model is served. Returns 0, or -E_INVALID with the failure (404). */
MUSTCHECK int model_answer_check(struct request *request, const struct text *models, size_t count);

/* Starts a call in the name of the request's tenant; the request holds none of the API's room
 * meanwhile. Returns 0: model_call_end is to be called; or -E_INVALID with the failure (429,
 * 503). */
SUSPENDS MUSTCHECK int model_answer_start(struct request *request, struct model_call *call);

/* Waits until the call is over, something was said, or the deadline. Returns 0, -E_TIMEOUT, or
 * -E_CANCELED: the client is gone, or this process is about to end. */
SUSPENDS MUSTCHECK int model_answer_wait(struct request *request, const struct model_call *call,
                                         int64_t deadline_ms);

/* Waits until it is over. Returns 0: it was answered; or -E_INVALID with the failure. */
SUSPENDS MUSTCHECK int model_answer_await(struct request *request, const struct model_call *call);

/* The connection is closed; nobody reads the failure, which is for the counts. Returns
 * -E_INVALID. */
int model_answer_gone(struct request *request);

/* The name of what answers, "provider/model", in the request's arena. */
struct text model_answer_name(struct request *request, const struct model_call *call);

/* A reply has so long to be taken by its client. */
#define ANSWER_WRITE_MS 30000
