/* Embeddings in the three dialects that have them: read and written. */

#include <criterion/criterion.h>

#include "talk.h"

static void accepts(const char *body, size_t count, size_t dimensions)
{
    cr_assert_eq(talk_read_embedding(body), 0, "%s: %s", body, talk.problem.message);
    cr_assert_eq(talk.embedding.count, count);
    cr_assert_eq(talk.embedding.dimensions, dimensions);
}

static void refuses(const char *body, int status, const char *because)
{
    cr_assert_eq(talk_read_embedding(body), CONVERSATION_REFUSED, "%s", body);
    cr_assert_eq(talk.problem.status, status);
    cr_assert(strstr(talk.problem.message, because), "%s", talk.problem.message);
}

/* The reply for the request that was read last, with vectors of ones. */
static const char *written(void)
{
    static struct buf out;
    static float values[64];
    struct vectors vectors = {.conversation = &talk.conversation,
                              .request = &talk.embedding,
                              .values = values,
                              .tokens = 7};

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        values[i] = 1;
    buf_deinit(&out);
    buf_init(&out, 0);
    talk.dialect->write_vectors(&vectors, &out);
    return buf_string(&out);
}

Test(embeddings, of_openai)
{
    talk_begin(&dialect_openai_embeddings);
    accepts("{'model':'m','input':'one'}", 1, 256);
    cr_assert(text_is(talk.conversation.user, "one"));
    accepts("{'model':'m','input':['one','two'],'dimensions':2,'encoding_format':'float'}", 2, 2);
    cr_assert_str_eq(
        written(),
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[1,1]},"
        "{\"object\":\"embedding\",\"index\":1,\"embedding\":[1,1]}],\"model\":\"m\",\"usage\":{"
        "\"prompt_tokens\":7,\"total_tokens\":7}}");
    accepts("{'model':'m','input':[1,2,3],'dimensions':1,'encoding_format':'base64'}", 1, 1);
    cr_assert(strstr(written(), "\"embedding\":\"AACAPw==\""), "%s", written());
    accepts("{'model':'m','input':[[1,2],[3]]}", 2, 256);
    refuses("{'input':'one'}", 400, "model");
    refuses("{'model':'m'}", 400, "input");
    refuses("{'model':'m','input':''}", 400, "not empty");
    refuses("{'model':'m','input':['a','']}", 400, "not empty");
    refuses("{'model':'m','input':[]}", 400, "input");
    refuses("{'model':'m','input':[{}]}", 400, "input");
    refuses("{'model':'m','input':'a','dimensions':0}", 400, "dimensions");
    refuses("{'model':'m','input':'a','dimensions':5000}", 400, "4096");
    refuses("{'model':'m','input':'a','encoding_format':'hex'}", 400, "encoding_format");
    talk_end();
}

Test(embeddings, of_gemini)
{
    talk_begin(&dialect_gemini);
    accepts("{'content':{'parts':[{'text':'one'}]},'outputDimensionality':3}", 1, 3);
    cr_assert_str_eq(written(), "{\"embedding\":{\"values\":[1,1,1]}}");
    accepts("{'requests':[{'model':'models/m','content':{'parts':[{'text':'one'}]}},"
            "{'model':'models/m','content':{'parts':[{'text':'two'}]},'task_type':'X'}]}",
            2, 256);
    accepts("{'requests':[{'model':'models/m','content':{'parts':[{'text':'one'}]},"
            "'output_dimensionality':2}]}",
            1, 2);
    cr_assert_str_eq(written(), "{\"embeddings\":[{\"values\":[1,1]}]}");
    refuses("{'requests':[]}", 400, "requests");
    refuses("{'requests':[{'content':{'parts':[{'text':'one'}]}}]}", 400, "model is required");
    refuses("{'content':{'parts':[]}}", 400, "not specified");
    refuses("{'content':{'parts':[{'text':'a'}]},'size':1}", 400, "Unknown name \"size\"");
    refuses("{'requests':[{'model':'m','content':{'parts':[{'text':'a'}]}},{'model':'m','content':"
            "{'parts':[{'text':'a'}]},'outputDimensionality':9}]}",
            400, "the same output_dimensionality");
    talk.key = "";
    refuses("{'content':{'parts':[{'text':'one'}]}}", 403, "unregistered callers");
    talk_end();
}

Test(embeddings, of_ollama)
{
    talk_begin(&dialect_ollama);
    accepts("{'model':'m','input':'one','dimensions':2}", 1, 2);
    cr_assert_str_eq(written(),
                     "{\"model\":\"m\",\"embeddings\":[[1,1]],\"total_duration\":8000000,"
                     "\"load_duration\":1000000,\"prompt_eval_count\":7}");
    accepts("{'model':'m','input':['one','two']}", 2, 256);
    accepts("{'model':'m','input':[]}", 0, 256);
    accepts("{'model':'m'}", 0, 256);
    refuses("{'input':'one'}", 400, "model is required");
    refuses("{'model':'m','input':[1]}", 400, "invalid input type");
    talk_end();
}
