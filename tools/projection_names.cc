#include "projection_names.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace simdrope::tool {
namespace {

// What may stand before a rule's name, in the text part of a model.
constexpr std::string_view kPrefixes[] = {
    "",
    "model.",
    "transformer.",
    "language_model.",
    "language_model.model.",
    "model.language_model.",
    "model.text_model.",
    "model.decoder.",
    "text_model.model.",
    "thinker.model.",
    "llm.",
    "llm.model.",
    "mtp.",
    // PEFT's adapters
    "base_model.model.",
    "base_model.model.model.",
    "base_model.model.model.language_model.",
    "base_model.model.language_model.model.",
    "base_model.model.transformer.",
};

struct Rule {
  std::string_view block;  // # is a layer's number
  std::string_view name;   // of the projection, with # likewise
  RowForm form;
};

// Hugging Face names are those of transformers' modeling files, Meta's of llama's model.py, GGUF's of
// gguf-py/gguf/constants.py (TENSOR_NAMES).
constexpr Rule kRules[] = {
    // Llama and the many that share its names
    {"layers.#.self_attn.", "q_proj", RowForm::kQuery},
    {"layers.#.self_attn.", "k_proj", RowForm::kKey},
    {"layers.#.self_attn.", "q_norm", RowForm::kQueryNorm},
    {"layers.#.self_attn.", "k_norm", RowForm::kKeyNorm},
    {"layers.#.self_attn.", "q_layernorm", RowForm::kQueryNorm},
    {"layers.#.self_attn.", "k_layernorm", RowForm::kKeyNorm},
    {"layers.#.self_attn.", "query_layernorm", RowForm::kQueryNorm},  // HunYuan
    {"layers.#.self_attn.", "key_layernorm", RowForm::kKeyNorm},
    {"layers.#.self_attn.", "q_layernorm.norms.#", RowForm::kQueryNorm},  // StableLM 2: one for each head
    {"layers.#.self_attn.", "k_layernorm.norms.#", RowForm::kKeyNorm},
    // MLA: DeepSeek, MiniCPM 3, Kimi
    {"layers.#.self_attn.", "q_b_proj", RowForm::kQuery},
    {"layers.#.self_attn.", "kv_a_proj_with_mqa", RowForm::kLatentKey},
    {"layers.#.self_attn.#.", "q_b_proj", RowForm::kQuery},  // LongCat
    {"layers.#.self_attn.#.", "kv_a_proj_with_mqa", RowForm::kLatentKey},
    // Q, K and V in one
    {"layers.#.self_attn.", "qkv_proj", RowForm::kBlocks},                  // Phi-3
    {"layers.#.self_attn.", "W_pack", RowForm::kBlocks},                    // Baichuan
    {"layers.#.self_attn.", "query_key_value", RowForm::kGroups},           // Persimmon, Phi-3 small
    {"gpt_neox.layers.#.attention.", "query_key_value", RowForm::kGroups},  // GPT-NeoX
    {"layers.#.attention.", "query_key_value", RowForm::kFused},            // GPT-NeoX alone, Ling
    {"layers.#.attn.", "Wqkv", RowForm::kBlocks},                           // ModernBERT
    {"layers.#.attn.", "qkv_proj", RowForm::kBlocks},                       // OpenELM
    {"encoder.layers.#.attn.", "Wqkv", RowForm::kBlocks},                   // nomic-bert
    {"layers.#.mixer.", "Wqkv", RowForm::kBlocks},                          // phi-msft
    {"h.#.mixer.", "Wqkv", RowForm::kBlocks},
    {"blocks.#.norm_attn_norm.attn.", "Wqkv", RowForm::kBlocks},                // DBRX
    {"h.#.attn.", "qkv_proj", RowForm::kPartitions},                            // CodeGen
    {"encoder.layer.#.attention.", "qkv_proj", RowForm::kBlocks},               // GTE
    {"layers.#.attention.", "wqkv", RowForm::kGroups},                          // InternLM 2
    {"h.#.self_attention.", "query_key_value", RowForm::kGroups},               // Falcon
    {"h.#.attn.", "c_attn", RowForm::kBlocks},                                  // Qwen 1
    {"encoder.layers.#.self_attention.", "query_key_value", RowForm::kBlocks},  // ChatGLM 2 and 3, GLM-4
    {"blk.#.", "attn_qkv", RowForm::kBlocks},                                   // llama.cpp
    // GPT-J, CodeGen-like
    {"h.#.attn.", "q_proj", RowForm::kQuery},
    {"h.#.attn.", "k_proj", RowForm::kKey},
    // Meta
    {"layers.#.attention.", "wq", RowForm::kQuery},
    {"layers.#.attention.", "wk", RowForm::kKey},
    {"layers.#.attention.", "q_norm", RowForm::kQueryNorm},
    {"layers.#.attention.", "k_norm", RowForm::kKeyNorm},
    // llama.cpp
    {"blk.#.", "attn_q", RowForm::kQuery},
    {"blk.#.", "attn_k", RowForm::kKey},
    {"blk.#.", "attn_q_norm", RowForm::kQueryNorm},
    {"blk.#.", "attn_k_norm", RowForm::kKeyNorm},
    {"blk.#.", "attn_q_b", RowForm::kQuery},
    {"blk.#.", "attn_kv_a_mqa", RowForm::kLatentKey},
};

// A part of a name that says its tensor belongs to something with positions of its own, or with none.
constexpr std::string_view kElsewhere[] = {
    "vision_tower",        "vision_model", "visual",        "vision_encoder",
    "vision_embed_tokens", "audio_tower",  "audio_encoder", "multi_modal_projector",
    "speech_encoder",      "cross_attn",   "encoder_attn",  "crossattention",
    "image_newline",       "perceiver",
};

// Parts of a name that mean Q or K, wherever they stand.
constexpr std::string_view kSuspicious[] = {
    "q_proj",
    "k_proj",
    "qk_proj",
    "kv_proj",
    "qkv_proj",
    "q_b_proj",
    "kv_a_proj_with_mqa",
    "kv_a_proj",
    "wq",
    "wk",
    "wqk",
    "wkv",
    "wqkv",
    "wq_b",
    "Wq",
    "Wk",
    "Wqkv",
    "W_pack",
    "attn_q",
    "attn_k",
    "attn_qkv",
    "attn_q_b",
    "attn_kv_a_mqa",
    "c_attn",
    "query",
    "key",
    "qkv",
    "query_key_value",
    "query_proj",
    "key_proj",
    "to_q",
    "to_k",
    "to_qkv",
    "q_norm",
    "k_norm",
    "attn_q_norm",
    "attn_k_norm",
    "q_layernorm",
    "k_layernorm",
    "query_layernorm",
    "key_layernorm",
    "q_lin",
    "k_lin",
    "in_proj_weight",
    "in_proj_bias",
    "linear_q",
    "linear_k",
    "q",
    "k",
    "q_ln",
    "k_ln",
    "norm_q",
    "norm_k",
};

// What may follow a projection's name.
struct Ending {
  enum class Kind { kWeight, kBias, kScale, kInput, kDelta };
  std::string_view text;
  Kind kind;
};
constexpr Ending kEndings[] = {
    {".weight", Ending::Kind::kWeight},
    {".bias", Ending::Kind::kBias},
    {".base_layer.weight", Ending::Kind::kWeight},  // under an adapter
    {".base_layer.bias", Ending::Kind::kBias},
    {".weight_scale", Ending::Kind::kScale},
    {".weight_scale_inv", Ending::Kind::kScale},
    {".weight_scale_2", Ending::Kind::kScale},
    {".input_scale", Ending::Kind::kScale},
    // LoRA, with PEFT's name of the adapter or without: A is on the side of the input, B has the rows of Q or K.
    {".lora_A.weight", Ending::Kind::kInput},
    {".lora_A.default.weight", Ending::Kind::kInput},
    {".lora_B.weight", Ending::Kind::kDelta},
    {".lora_B.default.weight", Ending::Kind::kDelta},
    {".lora_B.bias", Ending::Kind::kBias},
    {".lora_magnitude_vector", Ending::Kind::kBias},
    {".lora_magnitude_vector.weight", Ending::Kind::kBias},
    {".lora_magnitude_vector.default.weight", Ending::Kind::kBias},
};

std::vector<std::string_view> PartsOf(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Takes `pattern` off the beginning of `text`; # takes digits, whose first number is left in `number`.
bool Take(std::string_view pattern, std::string_view& text, std::optional<int64_t>& number) {
  std::string_view rest = text;
  for (const char wanted : pattern) {
    if (wanted != '#') {
      if (rest.empty() || rest[0] != wanted) return false;
      rest.remove_prefix(1);
      continue;
    }
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || rest[0] == '-') return false;
    if (!number) number = value;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  }
  text = rest;
  return true;
}

const Ending* EndingOf(std::string_view rest) {
  const auto* at =
      std::find_if(std::begin(kEndings), std::end(kEndings), [&](const Ending& e) { return e.text == rest; });
  return at == std::end(kEndings) ? nullptr : at;
}

template <size_t n>
std::string_view PartAmong(std::string_view name, const std::string_view (&list)[n]) {
  for (const std::string_view part : PartsOf(name)) {
    if (std::find(std::begin(list), std::end(list), part) != std::end(list)) return part;
  }
  return {};
}

// `rule` after `prefix`, if the whole of `name` fits.
std::optional<NameMeaning> Fit(std::string_view name, std::string_view prefix, const Rule& rule) {
  std::string_view rest = name;
  NameMeaning meaning;
  std::optional<int64_t> within;
  if (!Take(prefix, rest, meaning.layer) || !Take(rule.block, rest, meaning.layer)) return std::nullopt;
  const size_t block = name.size() - rest.size();
  if (!Take(rule.name, rest, within)) return std::nullopt;
  const Ending* ending = EndingOf(rest);
  if (ending == nullptr) return std::nullopt;
  meaning.kind = NameMeaning::Kind::kRows;
  meaning.form = rule.form;
  meaning.block = name.substr(0, block);
  switch (ending->kind) {
    case Ending::Kind::kWeight:
      meaning.is_weight = rule.form != RowForm::kQueryNorm && rule.form != RowForm::kKeyNorm;
      break;
    case Ending::Kind::kBias:
    case Ending::Kind::kDelta: break;
    case Ending::Kind::kInput:
      meaning.kind = NameMeaning::Kind::kElsewhere;
      meaning.reason = "on the input's side of an adapter";
      break;
    case Ending::Kind::kScale:
      meaning.kind = NameMeaning::Kind::kScale;
      meaning.of = std::string(name.substr(0, name.size() - rest.size())) + ".weight";
      break;
  }
  return meaning;
}

}  // namespace

NameMeaning MeaningOf(std::string_view name) {
  NameMeaning meaning;
  const std::string_view suspicious = PartAmong(name, kSuspicious);
  if (suspicious.empty()) return meaning;
  if (const std::string_view elsewhere = PartAmong(name, kElsewhere); !elsewhere.empty()) {
    meaning.kind = NameMeaning::Kind::kElsewhere;
    meaning.reason = "of " + std::string(elsewhere);
    return meaning;
  }
  for (const std::string_view prefix : kPrefixes) {
    for (const Rule& rule : kRules) {
      if (std::optional<NameMeaning> known = Fit(name, prefix, rule)) return *std::move(known);
    }
  }
  meaning.kind = NameMeaning::Kind::kUnknown;
  meaning.reason = "'" + std::string(suspicious) + "' in its name";
  return meaning;
}

}  // namespace simdrope::tool
