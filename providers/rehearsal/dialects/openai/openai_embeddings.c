/* OpenAI's embeddings. https://platform.openai.com/docs/api-reference/embeddings; the types of
 * embeddings in the npm package openai, which asks for base64 unless it is told otherwise. */

#include "providers/rehearsal/dialects/openai/openai.h"
#include "providers/rehearsal/reply/vectors.h"

#define INPUTS_MAX 2048

static bool route(struct text path, struct text query, struct route *out)
{
    (void)query;
    out->endpoint = ENDPOINT_EMBEDDINGS;
    return dialect_openai_path_is(path, "/embeddings", false);
}

static bool are_tokens(struct json_object *list)
{
    return reader_length(list) > 0 &&
           json_object_is_type(json_object_array_get_idx(list, 0), json_type_int);
}

/* One input: a string, or a list of tokens, which count as words. */
static int read_input(struct reader *reader, struct json_object *input)
{
    if (json_object_is_type(input, json_type_string) && json_string(input).len)
        return reader_embed(reader, json_string(input));
    if (are_tokens(input))
        return reader_embed(reader, json_text(input));
    return problem_set(reader->problem, "input",
                       "'$.input' is invalid: expected a text that is not empty, a list of tokens, "
                       "or a list of those.");
}

static int read_inputs(struct reader *reader, struct json_object *input)
{
    size_t count = reader_length(input);

    if (!count || are_tokens(input))
        return read_input(reader, input);
    if (count > INPUTS_MAX)
        return problem_set(reader->problem, "input",
                           "'$.input' is invalid: at most %d inputs are embedded at once.",
                           INPUTS_MAX);
    for (size_t i = 0; i < count; i++) {
        int r = read_input(reader, json_object_array_get_idx(input, i));

        if (r != 0)
            return r;
    }
    return 0;
}

static int read_settings(struct json_object *body, struct embedding_request *out,
                         struct problem *problem)
{
    struct text encoding = json_get_text(body, "encoding_format");
    int64_t dimensions = json_get_int(body, "dimensions", VECTOR_DIMENSIONS);

    if (json_get(body, "encoding_format") && !text_is(encoding, "float") &&
        !text_is(encoding, "base64"))
        return problem_set(problem, "encoding_format",
                           "Invalid value for 'encoding_format': supported values are 'float' and "
                           "'base64'.");
    if (dimensions < 1 || dimensions > VECTOR_DIMENSIONS_MAX)
        return problem_set(problem, "dimensions",
                           "Invalid value for 'dimensions': expected a number from 1 to %d.",
                           VECTOR_DIMENSIONS_MAX);
    out->base64 = text_is(encoding, "base64");
    out->dimensions = (size_t)dimensions;
    return 0;
}

static int read_request(const struct request *request, struct conversation *out,
                        struct embedding_request *embedding, struct problem *problem)
{
    struct json_object *body = request->body;
    struct text model = json_get_text(body, "model");
    struct reader reader;
    int r;

    if (!model.len)
        return problem_set(problem, "model", "you must provide a model parameter");
    reader_init(&reader, request, out, problem);
    r = reader_begin(&reader, model, json_get(body, "input"));
    if (r == 0)
        r = read_settings(body, embedding, problem);
    if (r == 0)
        r = read_inputs(&reader, json_get(body, "input"));
    reader_end_embed(&reader, embedding);
    reader_deinit(&reader);
    return r;
}

static void write_vectors(const struct vectors *vectors, struct buf *out)
{
    const struct embedding_request *request = vectors->request;
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    json_write_open_array(&write, "data");
    for (size_t i = 0; i < request->count; i++) {
        const float *vector = vectors->values + i * request->dimensions;

        json_write_open_object(&write, NULL);
        json_write_string(&write, "object", "embedding");
        json_write_int(&write, "index", (int64_t)i);
        json_write_name(&write, "embedding");
        if (request->base64)
            vector_add_base64(vector, request->dimensions, out);
        else
            vector_add_json(vector, request->dimensions, out);
        json_write_close(&write);
    }
    json_write_close(&write);
    json_write_text(&write, "model", vectors->conversation->model);
    json_write_open_object(&write, "usage");
    json_write_int(&write, "prompt_tokens", vectors->tokens);
    json_write_int(&write, "total_tokens", vectors->tokens);
    json_write_close(&write);
    json_write_close(&write);
}

const struct dialect dialect_openai_embeddings = {
    .name = "openai_embeddings",
    .call_prefix = "call_",
    .route = route,
    .key_headers = dialect_openai_key_headers,
    .read_embedding = read_request,
    .write_vectors = write_vectors,
    .write_error = dialect_openai_write_error,
    .write_event_error = dialect_openai_write_event_error,
    .write_headers = dialect_openai_write_headers,
};
