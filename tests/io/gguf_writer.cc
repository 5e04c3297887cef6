#include "gguf_writer.h"

namespace {

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

std::string sized(std::string_view text) { return raw(uint64_t{text.size()}) + std::string(text); }

}  // namespace

GgufWriter::GgufWriter(std::string_view architecture) { text("general.architecture", architecture); }

void GgufWriter::begin(std::string_view key, uint32_t type) {
  values_ += sized(key) + raw(type);
  ++value_count_;
}

GgufWriter& GgufWriter::u32(std::string_view key, uint32_t value) {
  begin(key, 4);
  values_ += raw(value);
  return *this;
}

GgufWriter& GgufWriter::integer(std::string_view key, uint32_t type, size_t bytes, uint64_t value) {
  begin(key, type);
  values_ += raw(value).substr(0, bytes);
  return *this;
}

GgufWriter& GgufWriter::f32(std::string_view key, float value) {
  begin(key, 6);
  values_ += raw(value);
  return *this;
}

GgufWriter& GgufWriter::boolean(std::string_view key, bool value) {
  begin(key, 7);
  values_ += raw(static_cast<uint8_t>(value));
  return *this;
}

GgufWriter& GgufWriter::text(std::string_view key, std::string_view value) {
  begin(key, 8);
  values_ += sized(value);
  return *this;
}

GgufWriter& GgufWriter::u32s(std::string_view key, const std::vector<uint32_t>& values) {
  begin(key, 9);
  values_ += raw(uint32_t{4}) + raw(uint64_t{values.size()});
  for (const uint32_t value : values) values_ += raw(value);
  return *this;
}

GgufWriter& GgufWriter::booleans(std::string_view key, const std::vector<bool>& values) {
  begin(key, 9);
  values_ += raw(uint32_t{7}) + raw(uint64_t{values.size()});
  for (const bool value : values) values_ += raw(static_cast<uint8_t>(value));
  return *this;
}

GgufWriter& GgufWriter::texts(std::string_view key, const std::vector<std::string>& values) {
  begin(key, 9);
  values_ += raw(uint32_t{8}) + raw(uint64_t{values.size()});
  for (const std::string& value : values) values_ += sized(value);
  return *this;
}

GgufWriter& GgufWriter::tensor(std::string_view name, const std::vector<float>& values) {
  tensors_ +=
      sized(name) + raw(uint32_t{1}) + raw(uint64_t{values.size()}) + raw(uint32_t{0}) + raw(uint64_t{data_.size()});
  ++tensor_count_;
  for (const float value : values) data_ += raw(value);
  data_.resize((data_.size() + 31) / 32 * 32);
  return *this;
}

GgufWriter& GgufWriter::extents(std::string_view name, const std::vector<uint64_t>& shape) {
  tensors_ += sized(name) + raw(static_cast<uint32_t>(shape.size()));
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) tensors_ += raw(*extent);
  tensors_ += raw(uint32_t{0}) + raw(uint64_t{0});
  ++tensor_count_;
  return *this;
}

std::string GgufWriter::file() const {
  std::string file = "GGUF" + raw(uint32_t{3}) + raw(tensor_count_) + raw(value_count_) + values_ + tensors_;
  file.resize((file.size() + 31) / 32 * 32);
  return file + data_;
}

std::vector<std::string> gguf_examples() {
  const auto sized_model = [](const std::string& name) {
    GgufWriter file(name);
    file.u32(name + ".context_length", 4096).u32(name + ".embedding_length", 512).u32(name + ".block_count", 8);
    file.u32(name + ".attention.head_count", 8).u32(name + ".attention.head_count_kv", 2);
    return file;
  };
  std::vector<std::string> files;
  files.push_back(sized_model("llama")
                      .texts("tokenizer.ggml.tokens", {"a", "b"})
                      .u32("llama.rope.dimension_count", 64)
                      .f32("llama.rope.freq_base", 500000.0f)
                      .tensor("rope_freqs.weight", std::vector<float>(32, 2.0f))
                      .file());
  files.push_back(sized_model("phi3")
                      .u32("phi3.rope.scaling.original_context_length", 2048)
                      .f32("phi3.rope.scaling.attn_factor", 1.19f)
                      .tensor("rope_factors_long.weight", std::vector<float>(32, 8.0f))
                      .tensor("rope_factors_short.weight", std::vector<float>(32, 1.0f))
                      .file());
  files.push_back(sized_model("deepseek2")
                      .u32("deepseek2.attention.key_length", 192)
                      .u32("deepseek2.attention.kv_lora_rank", 512)
                      .u32("deepseek2.rope.dimension_count", 64)
                      .text("deepseek2.rope.scaling.type", "yarn")
                      .f32("deepseek2.rope.scaling.factor", 40.0f)
                      .u32("deepseek2.rope.scaling.original_context_length", 4096)
                      .f32("deepseek2.rope.scaling.yarn_log_multiplier", 0.1f)
                      .file());
  files.push_back(sized_model("gemma3")
                      .u32("gemma3.attention.sliding_window", 1024)
                      .f32("gemma3.rope.freq_base", 1000000.0f)
                      .f32("gemma3.rope.scaling.factor", 8.0f)
                      .file());
  files.push_back(sized_model("gemma4")
                      .u32("gemma4.attention.key_length_swa", 32)
                      .u32("gemma4.rope.dimension_count_swa", 32)
                      .booleans("gemma4.attention.sliding_window_pattern", {true, true, true, false})
                      .file());
  files.push_back(sized_model("qwen3vl").u32s("qwen3vl.rope.dimension_sections", {12, 10, 10, 0}).file());
  files.push_back(sized_model("mamba").file());
  return files;
}
