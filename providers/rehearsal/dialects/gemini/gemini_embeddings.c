/* embedContent and batchEmbedContents. https://ai.google.dev/api/embeddings; the npm package
 * @google/genai uses the second for one text, too. */

#include "providers/rehearsal/dialects/gemini/gemini.h"
#include "providers/rehearsal/reply/vectors.h"

#define BATCH_MAX 100

static int read_one(struct reader *reader, struct json_object *one,
                    struct embedding_request *embedding, size_t i)
{
    static const char *const known[] = {
        "model", "content", "taskType", "title", "outputDimensionality", NULL};
    struct json_object *said = dialect_gemini_get(one, "outputDimensionality");
    int64_t dimensions = said ? json_object_get_int64(said) : VECTOR_DIMENSIONS;
    int r = dialect_gemini_check_members(reader->problem, one, known, "requests");

    if (r != 0)
        return r;
    if (dimensions < 1 || dimensions > VECTOR_DIMENSIONS_MAX)
        return problem_set(reader->problem, NULL,
                           "* EmbedContentRequest.output_dimensionality: must be from 1 to %d.",
                           VECTOR_DIMENSIONS_MAX);
    if (i > 0 && (size_t)dimensions != embedding->dimensions)
        return problem_set(reader->problem, NULL,
                           "All requests of a batch must have the same output_dimensionality.");
    embedding->dimensions = (size_t)dimensions;
    buf_reset(&reader->text);
    dialect_gemini_gather(json_get(one, "content"), &reader->text);
    if (!reader->text.len)
        return problem_set(reader->problem, NULL,
                           "* EmbedContentRequest.content: contents is not specified");
    return reader_embed(reader, buf_text(&reader->text));
}

static int read_all(struct reader *reader, struct embedding_request *embedding)
{
    struct json_object *requests = json_get(reader->request->body, "requests");
    size_t count = reader_length(requests);
    int r = 0;

    if (!requests) {
        embedding->single = true;
        return read_one(reader, reader->request->body, embedding, 0);
    }
    if (count < 1 || count > BATCH_MAX)
        return problem_set(reader->problem, NULL,
                           "* BatchEmbedContentsRequest.requests: from 1 to %d requests can be in "
                           "one batch",
                           BATCH_MAX);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct json_object *one = json_object_array_get_idx(requests, i);

        if (!json_get_text(one, "model").len)
            return problem_set(reader->problem, NULL,
                               "* BatchEmbedContentsRequest.requests[%zu].model: model is required",
                               i);
        r = read_one(reader, one, embedding, i);
    }
    return r;
}

int dialect_gemini_read_embedding(const struct request *request, struct conversation *out,
                                  struct embedding_request *embedding, struct problem *problem)
{
    struct reader reader;
    int r = dialect_gemini_check_key(request, problem);

    reader_init(&reader, request, out, problem);
    if (r == 0)
        r = reader_begin(&reader, request->path_model, request->body);
    if (r == 0)
        r = read_all(&reader, embedding);
    reader_end_embed(&reader, embedding);
    reader_deinit(&reader);
    return r;
}

void dialect_gemini_write_vectors(const struct vectors *vectors, struct buf *out)
{
    const struct embedding_request *request = vectors->request;
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    if (!request->single)
        json_write_open_array(&write, "embeddings");
    for (size_t i = 0; i < request->count; i++) {
        json_write_open_object(&write, request->single ? "embedding" : NULL);
        json_write_name(&write, "values");
        vector_add_json(vectors->values + i * request->dimensions, request->dimensions, out);
        json_write_close(&write);
    }
    if (!request->single)
        json_write_close(&write);
    json_write_close(&write);
}
