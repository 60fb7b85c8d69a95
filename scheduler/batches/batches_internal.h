#pragma once
/* Inside scheduler/batches: what the batches of a scheduler share. */

#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches.h"
#include "shared/fiber/service.h"

#define BATCHES_MAX 32 /* that a scheduler holds at once */

struct failure;
struct json_object;
struct response_lines;
struct submitter;

struct batches {
    struct batches_options options;
    struct submitter *submitter;
    struct response_lines *responses;
    int64_t owner;
    struct service service;
    struct batch_task *tasks[BATCHES_MAX];
    size_t held;
    uint64_t lines_begun;
    uint64_t lines_completed;
    uint64_t lines_failed;
    uint64_t completed;
};

/* As submit_options.check_models. */
int batches_check_models(void *arg, struct json_object *body, struct failure *failure);
