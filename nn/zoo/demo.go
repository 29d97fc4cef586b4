package zoo

// Demo is the name of the small network that comes with the repository.
const Demo = "demo"

// demo is a quarter as wide as torchvision's ResNets: 0.9 million parameters.
func demo() *resnet { return newResNet("bottleneck", []int{16}, 16, []int{2, 2, 2, 2}) }
