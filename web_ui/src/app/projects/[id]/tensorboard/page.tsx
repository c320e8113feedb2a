import { TensorBoardPage } from "@/features/tensorboard/tensorboard-page";

export default TensorBoardPage;
