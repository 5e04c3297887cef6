// The rows of GGUF. Sources: llama_model_rope_type and src/models/<architecture>.cpp of
// github.com/ggml-org/llama.cpp (2026-08); names from gguf-py/gguf/constants.py. Keys are without the
// architecture's prefix.
#include "io/family.h"

namespace simdrope::io {
namespace {

// gptj is left out on purpose: llama.cpp has no graph for it, and so no pairing.
constexpr Family kGgufFamilies[] = {
    {.names = "arcee arctic bailingmoe chameleon chatglm command-r deci deepseek eagle3 ernie4_5 ernie4_5-moe "
              "glm-dsa internlm2 llada llama llama-embed maincoder minicpm mistral3 muse-glimmer nanbeige "
              "neo-bert olmo plm xverse",
     .pairing = interleaved},
    {.names = "apertus bailingmoe2 bitnet codeshell cogvlm dbrx dots1 dream eurobert exaone falcon falcon-h1 "
              "gemma gemma2 gpt-oss gptneox grok grovemoe hunyuan-dense hunyuan-moe hy_v3 jais2 jina-bert-v3 "
              "laguna lfm2 lfm2moe llada-moe mimo2 minicpm3 minimax-m2 minimax-m3 nemotron nomic-bert "
              "nomic-bert-moe olmoe openelm orion pangu-embedded phi2 phi3 phimoe plamo plamo2 plamo3 qwen "
              "qwen2 qwen2moe qwen3 qwen3moe qwen3next rnd1 seed_oss stablelm starcoder2 talkie"},
    {.names = "paddleocr qwen2vl", .layout = SIMDROPE_AXES_SECTIONS, .axes = GgufAxes::always},
    {.names = "qwen35 qwen35moe qwen3tts qwen3vl qwen3vlmoe",
     .layout = SIMDROPE_AXES_INTERLEAVED,
     .axes = GgufAxes::always},
    {.names = "arwkv7 bert bloom clip gpt2 jais jamba jina-bert-v2 kimi-linear mamba mamba2 mpt nemotron_h "
              "nemotron_h_moe refact rwkv6 rwkv6qwen2 rwkv7 starcoder t5 t5encoder wavtokenizer-dec",
     .answer = Answer::no_rope,
     .note = "llama.cpp rotates nothing"},
    {.names = "afmoe", .layer_types = false, .period = {4, "no_rope", "rope"}},
    {.names = "baichuan", .pairing = interleaved, .note = "the 13B model, of 40 layers, has ALiBi", .rope_layers = 32},
    {.names = "cohere2",
     .pairing = interleaved,
     .period = {4},
     .kinds = {{{.type = "full_attention", .rotates = Kind::Rotates::no}}}},
    {.names = "cohere2moe",
     .pairing = interleaved,
     .period = {4, "full_attention", "sliding_attention", Period::Phase::first},
     .kinds = {{{.type = "full_attention", .rotates = Kind::Rotates::no}}},
     .dense_rotates = true},
    {.names = "deepseek2", .pairing = interleaved, .tenth_log_multiplier = true},
    {.names = "deepseek2-ocr", .pairing = interleaved, .tenth_log_multiplier = true},
    {.names = "deepseek32", .pairing = interleaved, .tenth_log_multiplier = true},
    {.names = "deepseek4",
     .pairing = interleaved,
     .note = "the attention output is rotated back, by the negated positions",
     .window_last = true,
     .list = {"attention.compress_ratios", LayerList::Form::flags, "compressed_attention", "sliding_attention"},
     .kinds = {{{.type = "sliding_attention", .unscaled = true},
                {.type = "compressed_attention",
                 .theta = 160000.0,
                 .theta_keys = "attention.compress_rope_freq_base",
                 .attention_factor = 1}}}},
    {.names = "exaone-moe", .period = {4}, .kinds = {{{.type = "full_attention", .rotates = Kind::Rotates::no}}}},
    {.names = "exaone4",
     .period = {4},
     .kinds = {{{.type = "full_attention", .rotates = Kind::Rotates::no}}},
     .period_layers = 64},
    {.names = "gemma-embedding",
     .period = {6},
     .kinds = {{{.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}},
     .needs_window = true},
    {.names = "gemma3",
     .period = {6},
     .kinds = {{{.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}},
     .needs_window = true},
    {.names = "gemma3n",
     .period = {5},
     .kinds = {{{.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}},
     .needs_window = true},
    {.names = "gemma4",
     .period = {0},
     .kinds = {{{.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}},
     .needs_window = true},
    {.names = "gemma4-assistant",
     .period = {0},
     .kinds = {{{.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}},
     .needs_window = true},
    {.names = "glm4", .pairing = interleaved, .axes = GgufAxes::if_told},
    {.names = "glm4moe", .axes = GgufAxes::if_told},
    {.names = "granite", .pairing = interleaved, .switches = {{{"rope.scaling.finetuned", Switch::When::is, "false"}}}},
    {.names = "granitehybrid",
     .pairing = interleaved,
     .switches = {{{"rope.scaling.finetuned", Switch::When::is, "false"}}}},
    {.names = "granitemoe",
     .pairing = interleaved,
     .switches = {{{"rope.scaling.finetuned", Switch::When::is, "false"}}}},
    {.names = "graniteswitch",
     .pairing = interleaved,
     .switches = {{{"rope.scaling.finetuned", Switch::When::is, "false"}}}},
    {.names = "hunyuan_vl", .axes = GgufAxes::if_told},
    {.names = "llama4",
     .pairing = interleaved,
     .layer_types = false,
     .period = {4, "no_rope", "rope"},
     .nope_temperature = {0.1, 8192, 1}},
    {.names = "mellum",
     .period = {4},
     .kinds = {{{.type = "sliding_attention", .unscaled = true}}},
     .needs_window = true},
    {.names = "mistral4", .pairing = interleaved, .tenth_log_multiplier = true},
    {.names = "modern-bert",
     .period = {3, "full_attention", "sliding_attention", Period::Phase::first},
     .kinds = {{{.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}},
     .needs_window = true},
    {.names = "olmo2",
     .period = {4},
     .kinds = {{{.type = "sliding_attention", .unscaled = true}}},
     .needs_window = true},
    {.names = "smallthinker",
     .layer_types = false,
     .period = {4, "no_rope", "rope", Period::Phase::first},
     .needs_window = true},
    {.names = "smollm3", .pairing = interleaved, .layer_types = false, .period = {4, "no_rope", "rope"}},
    {.names = "step35",
     .kinds = {{{.type = "full_attention", .fraction = 0.5},
                {.type = "sliding_attention", .theta = 10000.0, .unscaled = true}}}},
};

}  // namespace

std::span<const Family> gguf_families() { return kGgufFamilies; }

}  // namespace simdrope::io
