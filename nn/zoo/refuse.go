package zoo

import (
	"fmt"
	"regexp"
	"slices"
)

// family is a kind of network that cannot be run here, and how its files are known.
type family struct {
	name string
	// marks are names that its files hold, after any prefix: all of them.
	marks []string
	// trunk says that a ResNet is a part of it, so that it is looked for before one is.
	trunk bool
}

// families is all that is known by name; the first that fits is named.
var families = []family{
	{"a CLIP model: its picture encoder ends in attention", []string{`attnpool\.`, `layer1\.0\.conv1\.weight`}, true},
	{"Mask R-CNN or Faster R-CNN, an object detector", []string{`(rpn\.head|roi_heads|proposal_generator)\.`}, true},
	{"DETR, an object detector", []string{`class_embed\.`, `bbox_embed\.`}, true},
	{"RetinaNet, FCOS or SSD, an object detector", []string{`(head\.classification_head|bbox_head|bbox_pred|head\.regression_head)\.`}, true},
	{"DeepLab, FCN or PSPNet, a segmentation network: it classifies pixels", []string{`(classifier\.0\.convs|aux_classifier|decode_head|segmentation_head|aspp)\.`}, true},
	{"HRNet", []string{`transition1\.\d`, `stage2\.0\.branches\.`}, true},
	{"RegNet (Hugging Face)", []string{`(^|\.)regnet\.encoder\.`}, true},
	{"an FPN, the trunk of a detector", []string{`fpn\.(inner_blocks|layer_blocks)\.`}, true},
	{"torchvision's MNASNet (timm's mnasnet can be run)", []string{`layers\.0\.weight`, `layers\.8\.0\.layers\.0\.weight`}, false},
	{"ShuffleNet V2", []string{`stage2\.0\.branch1\.0\.weight`}, false},
	{"ConvNeXt", []string{`(features\.1\.0\.layer_scale|stages\.0\.blocks\.0\.gamma|stages\.0\.0\.gamma|stages\.0\.layers\.0\.dwconv\.weight|downsample_layers\.0\.0\.weight)`}, false},
	{"RegNet", []string{`(trunk_output\.block1|s1\.b1\.conv1\.conv\.weight)`}, false},
	{"Inception v3 or v4", []string{`(Mixed_5b\.branch|Mixed_5b\.conv|features\.\d+\.branch0\.conv\.weight)`}, false},
	{"Swin Transformer", []string{`(relative_position_bias_table)$`}, false},
	{"ViT, a vision transformer", []string{`(cls_token|class_token|pos_embed|position_embeddings|pos_embedding|class_embedding)$`}, false},
	{"YOLO", []string{`model\.\d+\.(m\.\d+\.)?(cv\d+\.)?conv\.weight`, `model\.\d+\.cv\d+\.`}, false},
	{"Darknet (YOLO)", []string{`module_list\.0\.`}, false},
	{"BiT or ResNet v2 (pre-activation)", []string{`(root\.conv\.weight|stages\.0\.blocks\.0\.(norm1|conv1)\.weight|block1\.layer\.0\.bn1\.weight)`}, false},
	{"xresnet (fastai)", []string{`(^|\.)4\.0\.convpath\.0\.0\.weight`}, false},
	{"Xception", []string{`block1\.rep\.\d+\.(conv1\.)?weight`}, false},
	{"NASNet", []string{`cell_stem_0\.`}, false},
	{"SKNet", []string{`layer1\.0\.conv[12]\.paths\.`}, false},
	{"GoogLeNet for CIFAR", []string{`a3\.b1\.0\.weight`}, false},
	{"a network with the names of Caffe's ResNet, whose stride is on the first convolution of a block: convert it to torchvision's names", []string{`res2a_branch2a\.`}, false},
	{"Detectron2's ResNet", []string{`res2\.0\.conv1\.weight`}, false},
	{"a transformer for text", []string{`(word_embeddings|embed_tokens|wte)\.weight`}, false},
	{"a generative network", []string{`(decoder\.mid_block|unet\.|mid_block\.resnets)`}, false},
}

// parts are what some ResNets have in their blocks and cannot be run.
var parts = []struct {
	mark *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`\.(cbam|ca|sa|attn|attention|gc|ge)\.`), "attention"},
	{regexp.MustCompile(`\.eca\.|\.se\.conv\.`), "efficient channel attention (ECA-Net)"},
	{regexp.MustCompile(`\.(se|se_module|se_layer|fc1|fc2)\.`), "squeeze-and-excitation (SENet)"},
	{regexp.MustCompile(`\.convs\.\d+\.`), "a hierarchy of convolutions (Res2Net)"},
	{regexp.MustCompile(`\.conv2\.(fc1|bn0|conv)\.`), "split or selective attention (ResNeSt, SKNet)"},
	{regexp.MustCompile(`\.(conv_offset|conv2_offset|offset)`), "deformable convolutions"},
	{regexp.MustCompile(`\.(filt|kernel)$|\.aa\.|blur`), "anti-aliasing by blur pooling"},
	{regexp.MustCompile(`\.gn\d?\.`), "group norm"},
	{regexp.MustCompile(`\.p?relu\d?\.weight$`), "PReLU"},
	{regexp.MustCompile(`\.(IN|BN)\.`), "instance-batch normalisation (IBN-Net)"},
	{regexp.MustCompile(`\.(lora_[AB]|lora_up|lora_down)\.`), "LoRA adapters: merge them first"},
	{regexp.MustCompile(`activation_post_process|fake_quant|\.(scale|zero_point)$`), "quantisation: save the float model"},
}

// partOf names what a tensor inside a residual block is.
func partOf(name string) string {
	for _, p := range parts {
		if p.mark.MatchString("." + name) {
			return p.what
		}
	}
	return ""
}

// refuse names the family of a file that holds no network that can be run; those around a
// ResNet only, if trunk is set. It is nil where none fits.
func (m *matcher) refuse(trunk bool) error {
	names := m.order[:min(len(m.order), 1<<13)]
	for i := range families {
		f := &families[i]
		if trunk && !f.trunk {
			continue
		}
		if mark := f.in(names); mark != "" {
			return m.errorf("holds %s (%q): of weights without a graph cwox runs %s; export the network to ONNX", f.name, clip(mark), runs)
		}
	}
	return nil
}

// runs is what can be run.
const runs = "ResNet (SE, Wide, ResNeXt), GoogLeNet, VGG, AlexNet, SqueezeNet, DenseNet, MobileNetV2 and V3, MnasNet and EfficientNet classifiers"

// in is a name by which a file is known to be of the family, "" where it is not.
func (f *family) in(names []string) string {
	found := ""
	for i, mark := range f.marks {
		at := slices.IndexFunc(names, compiled(mark).MatchString)
		if at < 0 {
			return ""
		}
		if i == 0 {
			found = names[at]
		}
	}
	return found
}

// compiled is a mark as a regular expression: it begins at a component of a name.
func compiled(mark string) *regexp.Regexp {
	if mark[0] != '^' && mark[0] != '(' {
		mark = `(^|\.)` + mark
	}
	return regexp.MustCompile(mark)
}

// resembles says in words what names a file has, for a file of no known kind.
func resembles(names []string) string {
	if len(names) == 0 {
		return "no tensors"
	}
	return fmt.Sprintf("%s: %s", plural(len(names), "tensor", "tensors"), clip(list(names, 4)))
}
