// simdrope_io: arrays and model files for simdrope. A second library; the core links none of it.
//
// Readers trust nothing: a malformed, truncated or hostile file gives BAD_FILE with a message that
// names the key or the byte offset. No length or count in a file makes a reader allocate more than the
// file's own size can hold. Model files must not shrink while they are read: they are memory-mapped.
#ifndef SIMDROPE_IO_HPP_
#define SIMDROPE_IO_HPP_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <simdrope/simdrope.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simdrope::io {

class InputFile;  // private

// ---------------------------------------------------------------------------- arrays

enum class ElementType {
  f32,
  f64,
  f16,
  bf16,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  boolean,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0  // safetensors only
};
SIMDROPE_API size_t size_of(ElementType type);
SIMDROPE_API const char* name_of(ElementType type);  // "f32", ...

// A dense row-major array that owns its elements.
struct Array {
  ElementType type = ElementType::f32;
  std::vector<int64_t> shape;  // empty: a scalar
  std::vector<std::byte> bytes;

  SIMDROPE_API int64_t size() const;  // number of elements
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(bytes.data());
  }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
  // A zeroed array; std::bad_alloc where there is no memory for it.
  SIMDROPE_API static Array zeros(ElementType type, std::vector<int64_t> shape);
};

// Writes one file, which appears under its name only once it is whole: until commit() it stands beside it, under a
// random name and locked against a second writer. It keeps the permissions of the file that it replaces, and lasts
// (file and folder are synced). What is not a regular file is refused, a symbolic link too. Nothing is left behind
// without a commit; the first error of all calls is the one that commit() reports.
class FileWriter {
 public:
  SIMDROPE_API explicit FileWriter(const std::string& path);
  SIMDROPE_API FileWriter(FileWriter&&) noexcept;
  SIMDROPE_API ~FileWriter();

  SIMDROPE_API void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  SIMDROPE_API Status sync();  // then read_back() reads what is stored, as far as the system allows it
  SIMDROPE_API Status read_back(uint64_t offset, void* data, size_t bytes);
  SIMDROPE_API Status commit();  // once

  // Removes what all unfinished writers of this process would leave behind; from then on no writer opens. For a handler
  // of a signal that ends the process: safe there, and of no use elsewhere.
  SIMDROPE_API static void remove_unfinished();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// NumPy's .npy, versions 1 to 3, little-endian, C or Fortran order (the latter is reordered). uint16
// stays u16: .npy has no bf16.
SIMDROPE_API Result<Array> read_npy(const std::string& path);
SIMDROPE_API Status write_npy(const std::string& path, const Array& array);  // bf16 is stored as uint16

// A .safetensors file: its header in memory, its tensors read when asked for. The file is not mapped, so that one
// which is cut short meanwhile gives an error.
class Safetensors {
 public:
  struct Entry {
    std::string name;
    ElementType type;
    std::vector<int64_t> shape;
    uint64_t offset;  // of its first byte, in the file
    uint64_t bytes;
  };
  SIMDROPE_API static Result<Safetensors> open(const std::string& path);
  const std::vector<Entry>& entries() const { return entries_; }  // in file order
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }
  SIMDROPE_API const Entry* find(std::string_view name) const;  // NULL: no such tensor
  SIMDROPE_API Result<Array> read(std::string_view name) const;
  // Any bytes of the file, header included.
  SIMDROPE_API Status read_bytes(uint64_t offset, void* data, size_t bytes) const;
  SIMDROPE_API uint64_t file_size() const;

 private:
  std::shared_ptr<const InputFile> file_;
  std::vector<Entry> entries_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

// A tensor to write.
struct NamedArray {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  const std::byte* data;
  size_t bytes;
};
// Writes arrays in the order given; the header is padded to 8 bytes.
SIMDROPE_API Status write_safetensors(const std::string& path, const std::vector<NamedArray>& arrays,
                                      const std::vector<std::pair<std::string, std::string>>& metadata = {});

// ---------------------------------------------------------------------------- model files

// One kind of attention layer of a model.
struct LayerRope {
  // "full_attention", "sliding_attention", ..., or "rope" and "no_rope" where the layers' types do not
  // tell them apart; "" where a model has one kind.
  std::string layer_type;
  bool rotary = true;  // false: these layers use no RoPE (NoPE)
  // Meaningful if rotary; else only its head_dim and temperature (Llama 4 scales the queries of NoPE
  // layers).
  Config config;
  std::vector<int> layers;  // the layers of this kind, as far as the file tells; empty: all, or untold
};

// Which key of the file said something, or which default of the model's class was taken.
struct Origin {
  std::string fact;  // "pairing", "head_dim", "full_attention.theta", ...
  std::string why;
};

// How a tensor that holds Q, K and V has its rows.
enum class QkvRows {
  by_name,    // nothing is known beyond the tensor's name
  blocks,     // all heads of Q, all of K, all of V
  groups,     // for each head of K: its heads of Q, itself, its head of V
  partitions  // four parts, each of them Q, V and K of a quarter of the heads (CodeGen)
};

struct Model {
  std::string model_type;  // "llama", "qwen2_vl", ...; GGUF: general.architecture
  std::string source;      // "config.json" or "gguf"
  int64_t max_position = 0;
  int q_heads = 0;
  int k_heads = 0;
  // Heads of each layer, where layers differ and the file tells them; 0: untold. Else empty.
  std::vector<int> q_heads_of_layer, k_heads_of_layer;
  int kv_lora_rank = 0;  // latent attention: rows of kv_a_proj before the rotated ones; 0: none, or untold
  QkvRows qkv_rows = QkvRows::by_name;
  bool query_gate = false;       // each head of q_proj has a gate as wide as itself after it
  std::vector<LayerRope> ropes;  // at least one
  // RoPEs beside the language model's layers, their layer_type saying whose: "indexer" (of sparse attention),
  // "vision_config", "audio_config", ...
  std::vector<LayerRope> others;
  std::vector<Origin> origins;
  std::vector<std::string> warnings;  // unknown keys that were allowed, and other things to know

  // The kind called `layer_type`; "": "full_attention" if that rotates, else the
  // first that does. NULL: none.
  SIMDROPE_API const LayerRope* find(std::string_view layer_type) const;
};

struct ReadOptions {
  // Keys about RoPE that are not understood: false, an error that names them; true, a warning, unless
  // they could say which layers rotate, the pairing or the window, which is never assumed.
  bool allow_unknown = false;
  std::string family;   // read a model type or architecture that is not known as this one; "": an error
  int64_t seq_len = 0;  // current length, for dynamic and longrope scaling; 0: within the trained one
};

// Hugging Face config.json, transformers v4 (rope_theta, rope_scaling, ...) and v5 (rope_parameters).
SIMDROPE_API Result<Model> parse_hf_config(std::string_view json, const ReadOptions& options = {});
SIMDROPE_API Result<Model> read_hf_config(const std::string& path, const ReadOptions& options = {});
// GGUF metadata ({arch}.rope.*) and the rope_freqs / rope_factors tensors; nothing else is read.
SIMDROPE_API Result<Model> read_gguf(const std::string& path, const ReadOptions& options = {});
// Either, by what the file begins with.
SIMDROPE_API Result<Model> read_model(const std::string& path, const ReadOptions& options = {});

// Name and extents of a tensor, rows first.
struct TensorShape {
  std::string name;
  std::vector<int64_t> shape;
  std::string file;
  bool packed = false;  // its elements are packed, so that the extents say nothing of rows
};
// Of all tensors of a .safetensors or .gguf file, or of the .safetensors files in a folder, which may have none.
SIMDROPE_API Result<std::vector<TensorShape>> read_shapes(const std::string& path);

// A known model type or architecture.
struct FamilyInfo {
  std::string names;  // separated by spaces: all of them are read alike
  std::string file;   // "config.json" or "gguf"
  std::string rope;   // "yes", "none" or "refused"
  std::string pairing;
  std::string window;  // which part of a head turns, where the file does not say
  double theta = 0;    // where the file does not say
  std::string layers;  // how layers differ
  std::string note;
  std::string source;
};
SIMDROPE_API std::vector<FamilyInfo> families();

// A Config as the config.json (v5 rope_parameters) that reads back to it; scaling.seq_len, which is no
// fact of a model, goes into ReadOptions. What Hugging Face has no key for is in an object "simdrope"
// there. "" if memory ran out.
SIMDROPE_API std::string to_hf_config(const simdrope_config& config);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HPP_
