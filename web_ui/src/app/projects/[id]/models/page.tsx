import { ModelsPage } from "@/features/models/models-page";

export default ModelsPage;
