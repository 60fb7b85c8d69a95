/* Words of everyday language. */

#include "shared/recall/everyday_words.h"

#include <stdlib.h>

/* Sorted by their bytes. */
/* clang-format off */
static const char *const words[] = {
    "abl", "al", "alreadi", "also", "alway", "anoth", "anyon", "anyth", "appear", "area",
    "around", "ask", "au", "auch", "auf", "aus", "aux", "avec", "away", "back", "bad", "begin",
    "bei", "beim", "believ", "best", "better", "big", "bodi", "book", "bring", "build", "busi",
    "buy", "call", "came", "cannot", "car", "case", "ce", "ces", "cet", "cett", "chang", "child",
    "citi", "clear", "come", "comment", "compani", "consid", "continu", "countri", "creat",
    "cut", "dan", "das", "day", "de", "decid", "dem", "den", "der", "des", "die", "differ",
    "dont", "door", "du", "earli", "easi", "ein", "einem", "einen", "einer", "ell", "els", "en",
    "end", "er", "es", "est", "et", "even", "ever", "everi", "everybodi", "everyth", "expect",
    "eye", "face", "fact", "fall", "famili", "father", "feel", "find", "first", "five", "follow",
    "found", "four", "free", "friend", "full", "fur", "game", "gave", "get", "give", "given",
    "go", "gone", "good", "got", "govern", "great", "group", "grow", "haben", "hand", "happen",
    "hard", "hat", "head", "help", "high", "hold", "home", "hour", "hous", "ich", "idea", "il",
    "im", "immer", "import", "includ", "inform", "instead", "issu", "ist", "je", "job", "just",
    "kann", "keep", "kein", "kept", "kind", "knew", "know", "la", "larg", "last", "late", "law",
    "le", "lead", "learn", "leav", "left", "les", "let", "level", "life", "like", "line",
    "littl", "live", "long", "look", "lose", "lot", "ma", "made", "make", "man", "mani", "may",
    "mayb", "meet", "mein", "member", "mes", "mich", "might", "minut", "mir", "mit", "moi",
    "mon", "money", "month", "morn", "mother", "move", "much", "muss", "must", "nach", "name",
    "ne", "need", "never", "new", "next", "nicht", "night", "noch", "noth", "nous", "number",
    "nur", "oder", "offer", "offic", "often", "old", "one", "open", "other", "ou", "par", "part",
    "pas", "pass", "pay", "peopl", "perhap", "place", "pleas", "plus", "point", "pour", "power",
    "problem", "program", "provid", "public", "pull", "put", "quand", "que", "quel", "quell",
    "question", "qui", "quit", "quoi", "rais", "rather", "reach", "read", "real", "realli",
    "reason", "remain", "rememb", "report", "requir", "right", "room", "run", "said", "san",
    "saw", "say", "schon", "school", "see", "seem", "seen", "sell", "send", "serv", "servic",
    "set", "shall", "show", "sich", "side", "sie", "sinc", "sind", "sit", "small", "soll",
    "somebodi", "someon", "someth", "sont", "speak", "special", "spend", "stand", "start",
    "state", "stay", "still", "stop", "stori", "student", "studi", "suggest", "sur", "sure",
    "system", "take", "taken", "team", "tell", "thing", "think", "thought", "three", "time",
    "today", "togeth", "told", "tomorrow", "tonight", "took", "toujour", "tri", "true", "tu",
    "turn", "two", "un", "und", "understand", "une", "us", "use", "usual", "vom", "von", "vous",
    "wait", "walk", "wann", "want", "war", "watch", "water", "way", "week", "welch", "welcher",
    "well", "went", "wer", "werden", "whole", "wie", "will", "win", "wir", "wird", "within",
    "without", "wo", "woman", "word", "work", "world", "write", "year", "yesterday", "yet",
    "young", "zu", "zum", "zur",
};
/* clang-format on */

static int compare(const void *key, const void *element)
{
    const struct text *stem = key;
    const char *word = *(const char *const *)element;
    size_t len = strlen(word);
    int order = memcmp(stem->ptr, word, stem->len < len ? stem->len : len);

    if (order != 0)
        return order;
    return stem->len < len ? -1 : stem->len > len;
}

bool word_is_everyday(struct text stem)
{
    return stem.len > 0 &&
           bsearch(&stem, words, ARRAY_LENGTH(words), sizeof(words[0]), compare) != NULL;
}
