#include "table_forms.h"

#include "arrays.h"
#include "failure.h"

namespace simdrope::tool {

TableArrays MakeTableArrays(TableForm form, Format format, int64_t batch, int64_t rows, int pairs) {
  std::vector<int64_t> shape{rows, form == TableForm::kHalf || form == TableForm::kComplex ? pairs : 2 * pairs};
  if (batch > 1) shape.insert(shape.begin(), batch);
  if (form == TableForm::kComplex) shape.push_back(2);
  TableArrays arrays;
  arrays.cos = io::Array::zeros(ElementTypeOf(format), shape);
  if (!IsJoined(form)) arrays.sin = io::Array::zeros(ElementTypeOf(format), shape);
  return arrays;
}

Table TableOf(TableArrays& arrays, TableForm form, Format format) {
  std::vector<int64_t> shape = arrays.cos.shape;
  if (!IsJoined(form) && arrays.sin.shape != shape) Fail("cos and sin have different shapes");
  if (form == TableForm::kComplex) {
    if (shape.empty() || shape.back() != 2) Fail("a complex table is [rows, d/2, 2]");
    shape.pop_back();
  }
  if (shape.size() != 2 && shape.size() != 3) {
    Fail("a table of cos and sin is [rows, width] or [batch, rows, width]; this one has rank ", shape.size());
  }
  const bool single = form == TableForm::kHalf || form == TableForm::kComplex;
  const int64_t width = shape.back();
  if (width < 1 || width > SIMDROPE_MAX_HEAD_DIM || (!single && width % 2 != 0)) {
    Fail("a table ", width, " wide cannot be of the form ", NameOf(kTableForms, form));
  }
  const int pairs = static_cast<int>(single ? width : width / 2);
  const int64_t rows = shape[shape.size() - 2];
  const void* cos = arrays.cos.bytes.data();
  const void* sin = arrays.sin.bytes.data();
  Table table;
  switch (form) {
    case TableForm::kHalf: table = Table(cos, sin, format, rows, pairs); break;
    case TableForm::kDoubledHalves: table = Table::doubled_halves(cos, sin, format, rows, pairs); break;
    case TableForm::kDoubledElements: table = Table::doubled_elements(cos, sin, format, rows, pairs); break;
    case TableForm::kCosSin: table = Table::cos_sin_rows(cos, format, rows, pairs); break;
    case TableForm::kSinCos: table = Table::cos_sin_rows(cos, format, rows, pairs, true); break;
    case TableForm::kComplex: table = Table::complex_rows(cos, format, rows, pairs); break;
  }
  return shape.size() == 3 ? table.per_batch(shape[0]) : table;
}

}  // namespace simdrope::tool
