#pragma once
/* Reading a request: what the readers of all dialects share. A reader goes through the messages of
 * its request and tells what it finds; the order of calls and results, and whose turn it is, are
 * its dialect's business. */

#include "providers/rehearsal/request/conversation.h"
#include "providers/rehearsal/request/problem.h"
#include "shared/json/json.h"

/* Looks a request's header up; TEXT_NONE: absent. */
typedef struct text (*request_header_fn)(void *arg, const char *name);

/* A request as it came. */
struct request {
    struct json_object *body;
    struct text path_model;   /* where the path names the model; else TEXT_NONE */
    bool path_stream;         /* the path says that the reply is to be streamed */
    struct text key;          /* of the caller; TEXT_NONE: none */
    request_header_fn header; /* NULL: there are none */
    void *header_arg;
    struct text (*kept)(void *arg, struct text id); /* items of a stored response, as kept_find
                                                     * has them; NULL: none is stored */
    void *kept_arg;
    struct arena *arena; /* owns what is read */
    bool keep_texts;     /* a rule looks at all messages */
};

/* Of one turn, and on offer: names and ids are compared with each other. */
#define READER_CALLS_MAX 256
#define READER_TOOLS_MAX 1024

/* A header of the request, TEXT_NONE when absent. */
struct text reader_header(const struct request *request, const char *name);

struct texts {
    struct text *items;
    size_t count;
    size_t room;
};

struct reader {
    const struct request *request;
    struct conversation *out;
    struct problem *problem;
    struct buf text;   /* of the message at hand */
    struct buf system; /* of the instructions so far */
    struct texts all;
    struct texts offered;
    struct texts ids; /* of the calls since the user's message */
    struct texts results;
    struct texts unique; /* ids that reader_unique was asked about */
};

void reader_init(struct reader *reader, const struct request *request, struct conversation *out,
                 struct problem *problem);
void reader_deinit(struct reader *reader);

/* Keeps the model's name and the digest of the messages. All that return an int return 0 or
 * CONVERSATION_REFUSED. */
MUSTCHECK int reader_begin(struct reader *reader, struct text model, struct json_object *messages);

/* What reader->text holds is the text of a message, or of a part of one: counts it, and keeps it
 * where it is wanted. */
MUSTCHECK int reader_system(struct reader *reader);
MUSTCHECK int reader_user(struct reader *reader);  /* a new turn: results before it don't count */
MUSTCHECK int reader_other(struct reader *reader); /* of the assistant, or a result */

/* An assistant's message with calls begins. */
void reader_round(struct reader *reader);

/* It makes a call of this id. */
MUSTCHECK int reader_call(struct reader *reader, struct text id);

/* Whether no id of the whole conversation that was asked about before is this one. */
MUSTCHECK int reader_unique(struct reader *reader, struct text id, bool *out_unique);

/* reader->text is the result of a call: of the one with this id, or with an empty id of the first
 * that has none yet. *out_known tells whether there is such a call without a result. */
MUSTCHECK int reader_result(struct reader *reader, struct text id, bool *out_known);

/* Adds to `out` the ids of the calls since the user's message that have no result yet, ", " between
 * them. Returns how many they are. */
size_t reader_unanswered(const struct reader *reader, struct buf *out);

/* Keeps the name of a tool that may be called. */
MUSTCHECK int reader_offer(struct reader *reader, struct text name);

/* One of the texts that are to be embedded. */
MUSTCHECK int reader_embed(struct reader *reader, struct text text);

/* After all of them, in place of reader_end. */
void reader_end_embed(const struct reader *reader, struct embedding_request *out);

/* After all else: what was kept goes into the conversation. */
MUSTCHECK int reader_end(struct reader *reader);

/* Copies into the request's arena, ended by a zero. False: it is full. */
MUSTCHECK bool reader_keep(const struct reader *reader, struct text text, struct text *out);

/* Elements of an array; 0 for anything else. */
size_t reader_length(struct json_object *array);
